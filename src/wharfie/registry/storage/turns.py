"""Taking turns: long loops over things that are at hand let others have the event loop."""

from __future__ import annotations

import asyncio

_EVERY = 25
"""Small files looked at, or documents read, in well under ten milliseconds."""


async def breathe(number: int) -> None:
    """Let others have their turn now and then.

    Args:
        number: of the round, from 1.
    """
    if number % _EVERY == 0:
        await asyncio.sleep(0)
