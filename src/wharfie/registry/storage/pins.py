"""Pins: what lets garbage be collected while others push, pull and mount.

Whoever adds a reference to a digest (publishes, links, mounts, puts a manifest that names it, or
tells a client that it is there) holds a pin on it meanwhile. The collector decides from what it
read without any lock, then *claims* each digest it would remove: it gets the claim only if nobody
holds a pin and nobody held one since it began to read. While it has the claim, pins wait.

So a blob is removed only when no reference was there before the collector looked, and none came
since; and a manifest is checked and written as one step, as far as its blobs are concerned.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Iterator


class Pins:
    """Pins and claims, by digest; of one process."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()
        self._claimed: dict[str, asyncio.Event] = {}
        self._turn = 0
        self._last: OrderedDict[str, int] = OrderedDict()
        self._readers: Counter[int] = Counter()

    @contextlib.asynccontextmanager
    async def hold(self, *digests: str) -> AsyncIterator[None]:
        """Keep digests from being removed; waits for removals under way."""
        wanted = tuple(dict.fromkeys(digests))
        while claimed := [self._claimed[one] for one in wanted if one in self._claimed]:
            await claimed[0].wait()
        # Nothing is awaited between this look and the pins.
        self._held.update(wanted)
        self._remember(wanted)
        try:
            yield
        finally:
            self._held.subtract(wanted)
            for digest in wanted:
                if self._held[digest] <= 0:
                    del self._held[digest]
            self._remember(wanted)

    @contextlib.contextmanager
    def reading(self) -> Iterator[int]:
        """The collector looks at references from here on; yields the turn for `claim`."""
        self._turn += 1
        turn = self._turn
        self._readers[turn] += 1
        try:
            yield turn
        finally:
            del self._readers[turn]
            if not self._readers:
                self._last.clear()

    @contextlib.asynccontextmanager
    async def claim(self, digest: str, since: int) -> AsyncIterator[bool]:
        """Have a digest alone, for removal; yields False, and does nothing, where it is in use.

        Args:
            digest: what shall go.
            since: the turn in which the collector began to read.
        """
        if digest in self._claimed or digest in self._held or self._last.get(digest, 0) >= since:
            yield False
            return
        done = self._claimed[digest] = asyncio.Event()
        try:
            yield True
        finally:
            del self._claimed[digest]
            done.set()

    def _remember(self, digests: tuple[str, ...]) -> None:
        if self._readers:
            for digest in digests:
                self._last[digest] = self._turn
