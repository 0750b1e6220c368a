"""Hashing bytes as they come, without holding the event loop up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

_INLINE = 16 * 1024


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

    async def add(self, *pieces: bytes) -> None:
        """Take bytes; many of them in a thread, for hashing lets others run."""
        size = sum(map(len, pieces))
        if size <= _INLINE:
            self._update(pieces)
        else:
            await asyncio.get_running_loop().run_in_executor(None, self._update, pieces)
        if self.size >= 0:
            self.size += size

    def _update(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            self._hasher.update(piece)

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
