"""After a start of the daemon: make records and living tasks agree.

    supervisor holds it, runs      adopt: running (a start under way is completed)
    supervisor holds it, ended     finish: the exit is recorded as if told live
    supervisor has never heard     the process is gone: exited, code 255, or back to created
    task without a record          killed and settled: of a removed container, or a build's step

Source: ARCHITECTURE "The daemon may die at any instruction"; behaviours 62, 70.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Container as KnownIds

from msgspec import structs

from wharfie.engine.containers.catalogue import Catalogue, ContainerHandle
from wharfie.engine.containers.ledger import Ledger
from wharfie.engine.containers.lifecycle import restarting
from wharfie.engine.containers.lifecycle.ending import Endings
from wharfie.engine.containers.lifecycle.health import begun
from wharfie.engine.containers.lifecycle.removal import Remover
from wharfie.engine.containers.lifecycle.starting import Starter
from wharfie.engine.containers.networking import disconnected
from wharfie.model.clock import rfc3339
from wharfie.model.container import Container, Status
from wharfie.model.errors import EngineError
from wharfie.model.ids import ContainerId, short
from wharfie.model.lifecycle import has_process
from wharfie.model.network import Connection
from wharfie.model.nursery import Nursery
from wharfie.model.runtime import Runtime
from wharfie.model.task import TaskExit, TaskStatus, TaskSupervisor

_log = logging.getLogger(__name__)
_SIGKILL = 9


class Recovery:
    """Brings the catalogue up to date, in two steps around the networks' own restore."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        ledger: Ledger,
        starter: Starter,
        endings: Endings,
        remover: Remover,
        runtime: Runtime,
        supervisor: TaskSupervisor,
        nursery: Nursery,
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._starter = starter
        self._endings = endings
        self._remover = remover
        self._runtime = runtime
        self._supervisor = supervisor
        self._nursery = nursery
        self._tasks: dict[str, TaskStatus] = {}

    async def load(
        self, containers: Sequence[Container], connections: Mapping[ContainerId, Connection]
    ) -> dict[ContainerId, tuple[int, Connection]]:
        """Fill the catalogue; returns who runs, with pid and connection, for the networks."""
        self._tasks = {task.id: task for task in await self._supervisor.tasks()}
        live = {}
        for record in containers:
            handle = ContainerHandle(record, connections.get(record.id))
            self._catalogue.add(handle)
            task = self._tasks.get(record.id)
            if task is not None and task.exit is None and handle.connection is not None:
                live[handle.id] = (task.pid, handle.connection)
        return live

    @property
    def tasks(self) -> Mapping[str, TaskStatus]:
        """What the supervisor held at the time of `load`; empty once all is settled."""
        return self._tasks

    async def reconcile(
        self, listen: Callable[[], None], execs: KnownIds[object] = frozenset()
    ) -> None:
        """Settle every difference; called once networks are restored, before requests.

        `execs` holds the IDs of tasks that are no containers but known all the same. `listen`
        subscribes to exits. It is called last: an exit taken up while the tasks seen by `load`
        are still being compared would be undone by its own, older, picture. The supervisor
        repeats what nobody heard.
        """
        for handle in self._catalogue:
            await self._reconcile(handle, self._tasks.get(handle.id))
        for task in self._tasks.values():
            if ContainerId(task.id) not in self._catalogue and task.id not in execs:
                await self._end_stranger(task)
        self._tasks = {}
        listen()

    def start_policies(self) -> None:
        """Start, in the background, what restart policies want to run."""
        for handle in self._catalogue:
            record = handle.record
            if has_process(record.state.status):
                continue
            if record.host_config.auto_remove and record.state.status is not Status.CREATED:
                removal = self._remover.remove(handle, volumes=True, force=False)
                self._nursery.start(removal, f"auto-removal of {short(handle.id)}")
            elif record.state.status is not Status.CREATED and restarting.should_start_at_boot(
                record.host_config.restart_policy,
                exit_code=record.state.exit_code,
                manually_stopped=record.state.manually_stopped,
                restarts=record.state.restart_count,
            ):
                self._nursery.start(self._start(handle), f"start of {short(handle.id)}")

    async def _reconcile(self, handle: ContainerHandle, task: TaskStatus | None) -> None:
        state = handle.record.state
        expects_task = has_process(state.status) or state.starting
        if task is None:
            if expects_task or handle.connection is not None:
                await self._lost(handle)
            elif state.status is Status.RESTARTING:
                await self._ledger.save_state(handle, status=Status.EXITED)
            return
        if not expects_task:
            await self._end_stranger(task)
            return
        if state.starting:
            await self._adopt(handle, task)
        if task.exit is not None:
            await self._endings.finish(handle, task.exit)
        elif handle.record.state.is_held:
            await self._let_go(handle)

    async def _adopt(self, handle: ContainerHandle, task: TaskStatus) -> None:
        """A start whose last step was not recorded: it did happen."""
        await self._ledger.save_state(
            handle,
            status=Status.RUNNING,
            starting=False,
            pid=task.pid,
            exit_code=0,
            error="",
            started_at=rfc3339(time.time_ns()),
            health=begun(handle.record.config, handle.record.state.health),
        )
        self._ledger.publish(handle.record, "start")

    async def _let_go(self, handle: ContainerHandle) -> None:
        """Held still for a commit that the daemon's end cut short."""
        try:
            await self._runtime.unpause(handle.record)
        except EngineError as error:
            _log.warning("container %s stays paused: %s", handle.record.name, error)
            await self._ledger.save_state(handle, is_held=False)
            return
        await self._ledger.save_state(handle, status=Status.RUNNING, is_held=False)
        self._ledger.publish(handle.record, "unpause")

    async def _lost(self, handle: ContainerHandle) -> None:
        """Its process is gone and nobody saw the end (a reboot), or it never came up."""
        state = handle.record.state
        if has_process(state.status):
            _log.warning("container %s ended while nobody watched", handle.record.name)
            await self._endings.finish(handle, TaskExit(handle.id, -1, time.time_ns()))
            return
        await self._starter.bring_down(handle)
        state = structs.replace(
            state,
            starting=False,
            pid=0,
            status=Status.EXITED if state.status is Status.RESTARTING else state.status,
        )
        record = structs.replace(disconnected(handle.record), state=state)
        await self._ledger.save_connected(handle, record, None, durable=True)

    async def _end_stranger(self, task: TaskStatus) -> None:
        """A step of a build, or of a container that was removed; one that runs is settled later.

        The supervisor settles no task before its end; whoever listens to exits does it then.
        """
        if task.exit is None and await self._supervisor.signal(task.id, _SIGKILL):
            return
        await self._supervisor.settle(task.id)

    async def _start(self, handle: ContainerHandle) -> None:
        async with handle.lock:
            if handle.gone or has_process(handle.record.state.status):
                return
            try:
                await self._starter.start(handle, automatic=True)
            except EngineError as error:
                _log.warning("cannot start container %s: %s", handle.record.name, error)
