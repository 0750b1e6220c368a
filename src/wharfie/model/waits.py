"""Who waits for what, and since when: told by everybody who makes others wait.

A source lists its waits at any time and from any thread, also while the event loop is stuck;
`wharfied debug stuck` and SIGUSR1 print them all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import Literal, Protocol, TypeVar

from msgspec import Struct

from wharfie.model.errors import Unavailable

T = TypeVar("T")
MOUNT_SECONDS = 20.0
"""For a file system to answer; a dead network or FUSE mount never does."""


class Wait(Struct, frozen=True):
    """One thing that is not done yet.

    Attributes:
        kind: "request", "lock", "supervisor", "thread" or "background".
        what: for people; names the object it is about.
        since: of `time.monotonic()`.
    """

    kind: str
    what: str
    since: float


class WaitSource(Protocol):
    """Knows waits."""

    def waits(self) -> Sequence[Wait]:
        """All of this moment; any thread may ask."""


class WaitList:
    """Waits that begin and end. See `WaitSource`."""

    def __init__(self) -> None:
        self._waits: dict[int, Wait] = {}
        self._next = 0

    def begin(self, kind: str, what: str) -> int:
        """Note a wait; returns its number for `end`."""
        self._next += 1
        self._waits[self._next] = Wait(kind, what, time.monotonic())
        return self._next

    def end(self, number: int) -> None:
        """It is over."""
        self._waits.pop(number, None)

    def waits(self) -> Sequence[Wait]:
        """See `WaitSource`."""
        return list(self._waits.values())


async def within(seconds: float, work: Awaitable[T], what: str) -> T:
    """Wait for work that may never end, within a bound.

    Raises:
        Unavailable: it did not end; a thread that is stuck in it goes on being stuck, alone.
    """
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise Unavailable(f"{what} does not answer within {seconds:.0f} s") from None


class OwnedLock(asyncio.Lock):
    """A lock that knows who holds it, since when, and how many wait."""

    def __init__(self) -> None:
        super().__init__()
        self.holder = ""
        self.since = 0.0
        self.waiting = 0

    async def acquire(self) -> Literal[True]:
        """As of `asyncio.Lock`."""
        self.waiting += 1
        try:
            await super().acquire()
        finally:
            self.waiting -= 1
        task = asyncio.current_task()
        self.holder = "" if task is None else task.get_name()
        self.since = time.monotonic()
        return True
