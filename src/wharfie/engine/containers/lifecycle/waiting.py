"""Waiters: who waits for a container's end. They hold no lock and no record.

A waiter is registered synchronously, so that a client that has seen the response headers may
start the container and cannot miss its end. An auto-removed container still answers its
waiters. Source: behaviours 59–61.
"""

from __future__ import annotations

import asyncio

from wharfie.model.container import ExitStatus, WaitCondition


class Waiters:
    """The waiters of one container."""

    def __init__(self) -> None:
        self._futures: dict[asyncio.Future[ExitStatus], WaitCondition] = {}

    def add(self, condition: WaitCondition) -> asyncio.Future[ExitStatus]:
        """Register a waiter; a cancelled one is forgotten."""
        future: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        self._futures[future] = condition
        future.add_done_callback(lambda done: self._futures.pop(done, None))
        return future

    def ended(self, status: ExitStatus) -> None:
        """The container ended: wake all but those that wait for its removal."""
        self._wake(status, {WaitCondition.NOT_RUNNING, WaitCondition.NEXT_EXIT})

    def removed(self, status: ExitStatus) -> None:
        """The container is gone: wake everybody."""
        self._wake(status, set(WaitCondition))

    def _wake(self, status: ExitStatus, conditions: set[WaitCondition]) -> None:
        for future, condition in list(self._futures.items()):
            if condition in conditions and not future.done():
                future.set_result(status)
