"""The end of a container: told by the supervisor, recorded, announced, followed up.

Order: network and cgroups are freed, then the exit code is committed durably, then event and
waiters, then `settle`, upon which the supervisor closes the streams of attached clients. So
whoever hears of the end finds the port free and the code recorded.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Awaitable, Callable

from msgspec import structs

from wharfie.engine.containers.catalogue import Catalogue, ContainerHandle
from wharfie.engine.containers.ledger import Ledger
from wharfie.engine.containers.lifecycle import restarting
from wharfie.engine.containers.lifecycle.health import stopped
from wharfie.engine.containers.lifecycle.starting import Starter
from wharfie.engine.containers.networking import disconnected
from wharfie.engine.containers.rootfs.volumes import VolumeMounts
from wharfie.engine.networks import Networks
from wharfie.model.clock import rfc3339
from wharfie.model.container import ExitStatus, Status
from wharfie.model.errors import EngineError
from wharfie.model.ids import ContainerId, short
from wharfie.model.lifecycle import has_process
from wharfie.model.nursery import Nursery
from wharfie.model.runtime import Runtime
from wharfie.model.task import TaskExit, TaskSupervisor

_log = logging.getLogger(__name__)
UNKNOWN_EXIT_CODE = 255


class Endings:
    """Handles exits, restarts by policy, and auto-removal."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        ledger: Ledger,
        starter: Starter,
        networks: Networks,
        runtime: Runtime,
        supervisor: TaskSupervisor,
        nursery: Nursery,
        remove: Callable[[ContainerHandle], Awaitable[None]],
        volumes: VolumeMounts,
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._starter = starter
        self._networks = networks
        self._runtime = runtime
        self._supervisor = supervisor
        self._nursery = nursery
        self._remove = remove
        self._volumes = volumes
        self._seen: set[str] = set()
        self._restarts = True

    def suspend_restarts(self) -> None:
        """The engine is shutting down: what ends stays ended."""
        self._restarts = False

    def on_exit(self, exit_: TaskExit) -> bool:
        """Take up an exit; False when it is not a container's. A repeated one is one."""
        handle = self._catalogue.get(ContainerId(exit_.id))
        if handle is None:
            return False
        if exit_.id not in self._seen:
            self._seen.add(exit_.id)
            self._nursery.start(self._finish(handle, exit_), f"end of {short(exit_.id)}")
        return True

    async def finish(self, handle: ContainerHandle, exit_: TaskExit) -> None:
        """Record an exit and follow it up; for recovery, which awaits it."""
        self._seen.add(exit_.id)
        await self._finish(handle, exit_)

    async def _finish(self, handle: ContainerHandle, exit_: TaskExit) -> None:
        try:
            async with handle.lock:
                restarts = await self._record(handle, exit_)
                if not has_process(handle.record.state.status):
                    await self._supervisor.settle(handle.id)  # else: told again, a run later
        finally:
            self._seen.discard(exit_.id)
        if restarts:
            self._nursery.start(self.restart_later(handle), f"restart of {short(handle.id)}")
        elif handle.record.host_config.auto_remove and not (handle.gone or handle.keep):
            await self._remove(handle)

    async def _record(self, handle: ContainerHandle, exit_: TaskExit) -> bool:
        """Commit and announce the end; tells whether the policy wants a restart."""
        record = handle.record
        state = record.state
        if handle.gone or not (has_process(state.status) or state.starting):
            return False
        if exit_.at == handle.last_exit:
            return False  # a repeated message about an earlier run
        handle.last_exit = exit_.at
        starved = state.oom_killed or handle.starved_run == state.started_at
        oom = starved or await self._runtime.was_oom_killed(record)
        code = exit_.code if exit_.code >= 0 else UNKNOWN_EXIT_CODE
        lasted = _seconds_between(state.started_at, exit_.at)
        handle.failures = 0 if lasted >= restarting.STABLE_AFTER else handle.failures
        policy = record.host_config.restart_policy
        restarts = self._restarts and restarting.should_restart(
            policy,
            exit_code=code,
            manually_stopped=state.manually_stopped,
            restarts=state.restart_count,
        )
        ended = structs.replace(
            state,
            status=Status.RESTARTING if restarts else Status.EXITED,
            starting=False,
            pid=0,
            exit_code=code,
            error="" if exit_.code >= 0 else "the exit status was lost with the supervisor",
            oom_killed=oom,
            finished_at=rfc3339(exit_.at),
            health=stopped(state.health),
        )
        record = structs.replace(disconnected(record), state=ended)
        connection = handle.connection
        # Side by side; a crash in between leaves a cgroup that the sweep at start removes.
        await asyncio.gather(
            self._starter.bring_down(handle), self._ledger.save_ended(handle, record)
        )
        handle.connection = None
        if oom and not state.oom_killed:
            self._ledger.publish(record, "oom")
        duration = str(max(0, int(lasted)))
        self._ledger.publish(record, "die", exitCode=str(code), execDuration=duration)
        if connection is not None:
            self._networks.announce_left(handle.id, connection)
        self._volumes.announce("unmount", handle.record)
        handle.waiters.ended(ExitStatus(code))
        return restarts

    async def restart_later(self, handle: ContainerHandle) -> None:
        """Start again after the back-off, unless somebody stopped or removed it meanwhile."""
        pause = restarting.delay(handle.failures)
        handle.failures += 1
        handle.wake_restart.clear()
        try:
            async with asyncio.timeout(pause):
                await handle.wake_restart.wait()
        except TimeoutError:
            pass
        async with handle.lock:
            if handle.gone or handle.record.state.status is not Status.RESTARTING:
                return
            count = handle.record.state.restart_count + 1
            await self._ledger.save_state(handle, restart_count=count)
            try:
                await self._starter.start(handle, automatic=True)
            except EngineError as error:
                _log.warning("cannot restart container %s: %s", handle.record.name, error)
                handle.waiters.ended(ExitStatus(handle.record.state.exit_code, error.message))

    async def cancel_restart(self, handle: ContainerHandle) -> None:
        """Give up a pending automatic restart; the caller holds the lock."""
        await self._ledger.save_state(handle, status=Status.EXITED, manually_stopped=True)
        handle.wake_restart.set()
        handle.waiters.ended(ExitStatus(handle.record.state.exit_code))


def _seconds_between(started_at: str, ended: int) -> float:
    """Seconds from an RFC 3339 time to nanoseconds since the epoch."""
    started = datetime.datetime.fromisoformat(started_at[:19] + "+00:00").timestamp()
    return ended / 1e9 - started
