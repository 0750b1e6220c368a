"""Out of memory: told as it happens, for containers with a limit, though they may live on.

Source: behaviours 67, 102; moby's daemon/monitor.go, `EventOOM`.
"""

from __future__ import annotations

from collections.abc import Callable

from wharfie.engine.containers.catalogue import Catalogue, ContainerHandle
from wharfie.engine.containers.ledger import Ledger
from wharfie.model.ids import ContainerId, short
from wharfie.model.lifecycle import has_process
from wharfie.model.nursery import Nursery
from wharfie.model.runtime import Runtime


class MemoryWatches:
    """One watch for each living container with a memory limit."""

    def __init__(
        self, *, catalogue: Catalogue, ledger: Ledger, runtime: Runtime, nursery: Nursery
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._runtime = runtime
        self._nursery = nursery
        self._watches: dict[ContainerId, Callable[[], None]] = {}

    def open(self) -> None:
        """Watch every container, those that run already at once."""
        self._ledger.observe(self._on_status)
        for handle in self._catalogue:
            self._on_status(handle)

    def close(self) -> None:
        """Stop watching."""
        while self._watches:
            self._watches.popitem()[1]()

    def _on_status(self, handle: ContainerHandle) -> None:
        record = handle.record
        if not has_process(record.state.status):
            end = self._watches.pop(handle.id, None)
            if end is not None:
                end()
        elif record.host_config.memory > 0 and handle.id not in self._watches:
            started = record.state.started_at

            def on_kill() -> None:
                handle.starved_run = started
                self._nursery.start(self._note(handle, started), f"oom of {short(handle.id)}")

            self._watches[handle.id] = self._runtime.watch_memory(record, on_kill)

    async def _note(self, handle: ContainerHandle, started: str) -> None:
        async with handle.lock:
            state = handle.record.state
            if handle.gone or not has_process(state.status) or state.started_at != started:
                return  # its end has told it
            if not state.oom_killed:
                await self._ledger.save_state(handle, oom_killed=True)
        self._ledger.publish(handle.record, "oom")
