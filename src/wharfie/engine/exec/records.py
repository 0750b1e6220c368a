"""Exec instances in memory, each with its row: so they survive a restart of the daemon.

The engine's own probes have no row. An instance is forgotten `KEPT` seconds after its end, and
with its container.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from msgspec import structs

from wharfie.model.container import Container
from wharfie.model.errors import EngineError, NoSuchExec
from wharfie.model.exec import Exec
from wharfie.model.ids import ContainerId, ExecId, short
from wharfie.model.store import Store, Transaction
from wharfie.model.task import TaskStatus

KEPT = 600.0
LOST = 255
"""Exit code of a process whose end nobody saw."""
_log = logging.getLogger(__name__)


class ExecHandle:
    """One exec instance as it changes."""

    def __init__(self, record: Exec, *, is_probe: bool = False) -> None:
        self.record = record
        self.is_probe = is_probe
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.ended_at = 0.0

    def end(self, code: int) -> None:
        """Remember how it ended."""
        self.record = structs.replace(self.record, running=False, exit_code=code)
        self.ended_at = time.monotonic()
        self.started.set()
        self.ended.set()


class ExecRecords:
    """All exec instances by ID."""

    def __init__(self, store: Store, container: Callable[[str], Container]) -> None:
        """Take the store, and how to find a container by its ID."""
        self._store = store
        self._container = container
        self._handles: dict[str, ExecHandle] = {}

    def __contains__(self, exec_id: object) -> bool:
        return exec_id in self._handles

    def get(self, exec_id: str) -> ExecHandle | None:
        """By exact ID, None when unknown; its container may be gone."""
        return self._handles.get(exec_id)

    def find(self, exec_id: str) -> ExecHandle:
        """By exact ID; NoSuchExec also when its container is gone."""
        handle = self._handles.get(exec_id)
        if handle is None:
            raise NoSuchExec(exec_id)
        try:
            self._container(handle.record.container_id)
        except EngineError:
            del self._handles[exec_id]
            raise NoSuchExec(exec_id) from None
        return handle

    def running_in(self, container_id: ContainerId) -> list[ExecId]:
        """IDs of a container's instances that have not ended."""
        records = [handle.record for handle in self._handles.values()]
        return [r.id for r in records if r.container_id == container_id and r.exit_code is None]

    async def add(self, handle: ExecHandle) -> None:
        """Record a new instance, and show it; forget those that ended long ago."""
        await self._collect()
        await self.save(handle)
        self._handles[handle.record.id] = handle

    async def save(self, handle: ExecHandle) -> None:
        """Commit the present record."""
        if not handle.is_probe:
            record = handle.record
            await self._store.write(lambda tx: tx.execs.put(record))

    def drop(self, exec_id: ExecId) -> None:
        """Forget an instance without a row."""
        self._handles.pop(exec_id, None)

    async def load(self, tasks: Mapping[str, TaskStatus]) -> None:
        """At start: bring rows and living tasks to agree; exits are told later.

        Args:
            tasks: what the supervisor holds.
        """
        for record in self._store.read(lambda tx: tx.execs.all()):
            try:
                self._container(record.container_id)
            except EngineError:
                await self._forget([record.id])
                continue
            self._handles[record.id] = handle = ExecHandle(record)
            task = tasks.get(record.id)
            if record.exit_code is not None:
                handle.end(record.exit_code)
            elif task is not None:
                handle.record = structs.replace(record, running=True, pid=task.pid)
                handle.started.set()
            elif record.started:
                _log.warning("exec %s ended while nobody watched", short(record.id))
                handle.end(LOST)
                await self.save(handle)

    async def _collect(self) -> None:
        limit = time.monotonic() - KEPT
        old = [key for key, h in self._handles.items() if 0 < h.ended_at < limit]
        for key in old:
            del self._handles[key]
        if old:
            await self._forget([ExecId(key) for key in old])

    async def _forget(self, exec_ids: list[ExecId]) -> None:
        def delete(tx: Transaction) -> None:
            for exec_id in exec_ids:
                tx.execs.delete(exec_id)

        await self._store.write(delete)
