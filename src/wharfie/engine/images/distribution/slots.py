"""Slots: how many of something may be under way at once, changeable while they are in use."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType


class Slots:
    """A semaphore whose number can change; those that wait are served in order."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._used = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_full(self) -> bool:
        """True while the next one has to wait."""
        return self._used >= self._number or bool(self._waiting)

    def resize(self, number: int) -> None:
        """Change the number; those over it are not disturbed."""
        self._number = number
        self._admit()

    async def __aenter__(self) -> None:
        if not self.is_full:
            self._used += 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._leave()  # admitted and cancelled at once
            else:
                self._waiting.remove(place)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._used -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._used < self._number:
            place = self._waiting.popleft()
            if not place.done():
                self._used += 1
                place.set_result(None)
