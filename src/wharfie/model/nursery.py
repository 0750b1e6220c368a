"""The nursery: background work that somebody owns, whose errors are never lost.

`start` is for work that outlives the request it came from (the end of a container, a deletion).
A failure is logged with its traceback and does not take the engine down; `close` waits for what
is under way, within a bound, then cancels it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence

from wharfie.model.waits import Wait

_log = logging.getLogger(__name__)


class Nursery:
    """Owner of background tasks."""

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Task[None], Wait] = {}

    def start(self, work: Coroutine[object, object, None], what: str) -> None:
        """Run `work` in the background; `what` names it in logs and reports."""
        self.begin(work, what)

    def begin(self, work: Coroutine[object, object, None], what: str) -> Callable[[], object]:
        """As `start`, for work that may have to be cancelled: returns what cancels it."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._guard(work, what), name=what)
        self._tasks[task] = Wait("background", what, time.monotonic())
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return task.cancel

    @property
    def running(self) -> list[str]:
        """What is under way."""
        return [wait.what for wait in self.waits()]

    def waits(self) -> Sequence[Wait]:
        """See `model.waits.WaitSource`."""
        return list(self._tasks.values())

    async def close(self, *, grace: float) -> None:
        """Wait up to `grace` seconds for work under way, then cancel the rest."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _guard(self, work: Coroutine[object, object, None], what: str) -> None:
        try:
            await work
        except Exception:  # noqa: BLE001 - logged here, the one place background work fails
            _log.exception("%s failed", what)
