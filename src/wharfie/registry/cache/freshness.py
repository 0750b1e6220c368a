"""What was asked upstream a moment ago and need not be asked again; bounded, in memory alone."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

_MOST = 50_000
Key = tuple[str, ...]


class Freshness:
    """Answers by key, each with its time; and one asker a key at a time.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: OrderedDict[Key, float] = OrderedDict()
        self._locks: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    def is_fresh(self, key: Key, ttl: float) -> bool:
        """Tell whether a key was confirmed less than `ttl` seconds ago."""
        since = self._known.get(key)
        return since is not None and self._clock() - since < ttl

    def was_ever(self, key: Key) -> bool:
        """Tell whether a key was confirmed, and not taken back."""
        return key in self._known

    def confirm(self, key: Key) -> None:
        """It is so, as of now."""
        self._known[key] = self._clock()
        self._known.move_to_end(key)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)

    def forget(self, key: Key) -> None:
        """It is not so."""
        self._known.pop(key, None)

    @asynccontextmanager
    async def turn(self, key: Key) -> AsyncIterator[None]:
        """One at a time for each key: those who wait find the answer of the first."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        async with lock:
            yield
