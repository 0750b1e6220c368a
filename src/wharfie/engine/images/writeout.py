"""Having the disk write while an image still comes, so that little is left to wait for at the end.

An image is recorded only when all of it is on the disk. Without this the disk would be idle during
the download, and the user wait for it afterwards.
"""

from __future__ import annotations

import asyncio

from wharfie.model.content import ContentStore

_EVERY = 48 << 20


class WriteOut:
    """Starts a sync whenever so much has come, one at a time."""

    def __init__(self, content: ContentStore) -> None:
        self._content = content
        self._come = 0
        self._enough = asyncio.Event()

    def add(self, size: int) -> None:
        """Bytes came."""
        self._come += size
        if self._come >= _EVERY:
            self._enough.set()

    async def run(self) -> None:
        """Sync until cancelled."""
        while True:
            await self._enough.wait()
            self._enough.clear()
            self._come = 0
            await self._content.write_out()
