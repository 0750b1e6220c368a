"""What a build says, as a stream that never holds it up.

A caller that reads slowly is owed every happening but output: of that a bounded amount waits, the
rest is dropped with a word about it. Closing the stream cancels the build and waits for its end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from msgspec import structs

from wharfie.build.happenings import Happening, StepOutput
from wharfie.model.build.progress import VertexLog, VertexStatus
from wharfie.model.errors import Unavailable

_WAITING = 16 << 20
_CLIPPED = b"\n[output clipped: it came faster than it was read]\n"


class Cancelled(Unavailable):
    """Somebody else cancelled the build."""


class Telling:
    """Where a build says what happens."""

    def __init__(self) -> None:
        self._waiting: deque[Happening] = deque()
        self._size = 0
        self._clips = False
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.was_cancelled = False

    def tell(self, happening: Happening) -> None:
        """Say it; never waits."""
        if isinstance(happening, StepOutput | VertexLog):
            if self._clips:
                return
            self._size += len(happening.data)
            if self._size > _WAITING:
                self._clips = True
                happening = structs.replace(happening, data=_CLIPPED)
        elif isinstance(happening, VertexStatus) and self._clips:
            return
        self._waiting.append(happening)
        self._changed.set()

    def cancel(self) -> None:
        """Cancel the build that speaks here."""
        self.was_cancelled = True
        if self._task is not None:
            self._task.cancel()

    async def read(self, work: Callable[[Telling], Awaitable[None]]) -> AsyncIterator[Happening]:
        """Run the build and yield what it says; its error comes last."""

        async def run() -> None:
            await work(self)

        loop = asyncio.get_running_loop()
        task = self._task = loop.create_task(run())
        task.add_done_callback(lambda _: self._changed.set())
        try:
            while True:
                while self._waiting:
                    yield self._take()
                if task.done():
                    break
                self._changed.clear()
                await self._changed.wait()
            if task.cancelled():
                raise Cancelled("context canceled")
            task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # seen: either raised above, or the caller is gone

    def _take(self) -> Happening:
        happening = self._waiting.popleft()
        if isinstance(happening, StepOutput | VertexLog):
            self._size -= len(happening.data)
            if not self._waiting:
                self._size, self._clips = 0, False
        return happening


def told(work: Callable[[Telling], Awaitable[None]]) -> AsyncIterator[Happening]:
    """A build as the stream of what it says."""
    return Telling().read(work)
