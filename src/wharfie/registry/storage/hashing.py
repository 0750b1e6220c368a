"""Hashing bytes as they come, without holding the event loop up."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

_INLINE = 64 * 1024


class Hasher(Protocol):
    """What hashlib makes."""

    def update(self, data: bytes, /) -> None:
        """Take bytes."""

    def hexdigest(self) -> str:
        """The digest of what was taken."""


class Hashing:
    """A hash under way.

    Attributes:
        size: bytes taken so far.
    """

    def __init__(self, hasher: Hasher) -> None:
        self._hasher = hasher
        self.size = 0

    async def add(self, data: bytes) -> None:
        """Take bytes; many of them in a thread, for hashing lets others run."""
        if len(data) <= _INLINE:
            self._hasher.update(data)
        else:
            await asyncio.to_thread(self._hasher.update, data)
        if self.size >= 0:
            self.size += len(data)

    def spoil(self) -> None:
        """What was taken is not known any more; `size` is negative from here on."""
        self.size = -1

    def hexdigest(self) -> str:
        """The digest of what was taken."""
        return self._hasher.hexdigest()

    async def keep_to(self, rate: int, begun: float) -> None:
        """Wait until `rate` bytes a second since `begun` are what was taken."""
        ahead = self.size / rate - (time.monotonic() - begun)
        if ahead > 0:
            await asyncio.sleep(ahead)
