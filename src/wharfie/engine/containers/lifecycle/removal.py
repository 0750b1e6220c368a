"""Removing a container: rows first, durably; then files, at leisure."""

from __future__ import annotations

import asyncio
import logging
import shutil

from msgspec import Struct

from wharfie.engine.containers.catalogue import ContainerHandle
from wharfie.engine.containers.ledger import Ledger
from wharfie.engine.containers.lifecycle.starting import Starter
from wharfie.engine.containers.rootfs.directories import ContainerDirectories
from wharfie.engine.volumes import Volumes
from wharfie.model.container import ExitStatus, Status
from wharfie.model.errors import Conflict, EngineError, NoSuchContainer, NotFound
from wharfie.model.ids import SnapshotKey, short
from wharfie.model.lifecycle import Verb, check
from wharfie.model.nursery import Nursery
from wharfie.model.snapshot import Snapshotter
from wharfie.model.task import TaskSupervisor

_log = logging.getLogger(__name__)


class RemovalPorts(Struct, frozen=True, kw_only=True):
    """What removing needs of the rest of the engine."""

    ledger: Ledger
    starter: Starter
    snapshotter: Snapshotter
    supervisor: TaskSupervisor
    volumes: Volumes
    directories: ContainerDirectories
    nursery: Nursery


class Remover:
    """Removes containers that do not run."""

    def __init__(self, ports: RemovalPorts) -> None:
        self._ports = ports
        self._removing: set[str] = set()

    async def remove(self, handle: ContainerHandle, *, volumes: bool, force: bool) -> None:
        """Remove; the caller has ended its process.

        Raises:
            Conflict: it runs (again), or somebody else is removing it.
            NoSuchContainer: somebody else removed it.
        """
        if handle.id in self._removing:
            raise Conflict(f"removal of container {handle.record.name} is already in progress")
        self._removing.add(handle.id)
        try:
            async with handle.lock:
                await self._remove(handle, volumes=volumes, force=force)
        finally:
            self._removing.discard(handle.id)

    async def _remove(self, handle: ContainerHandle, *, volumes: bool, force: bool) -> None:
        ports, record = self._ports, handle.record
        if handle.gone:
            raise NoSuchContainer(handle.id)
        check(Verb.REMOVE, record, force=force)
        try:
            await ports.starter.bring_down(handle)
        except EngineError:
            # Shown as dead: what is left of it can only be removed, by trying again.
            await ports.ledger.save_state(handle, status=Status.DEAD)
            raise
        await ports.ledger.remove(handle)
        handle.wake_restart.set()
        settling = ports.supervisor.settle(handle.id)
        ports.nursery.start(settling, f"letting clients of {short(handle.id)} go")
        await ports.snapshotter.remove(SnapshotKey(handle.id))
        aside = ports.directories.detach(handle.id)
        if aside:
            ports.nursery.start(_delete(aside), f"deleting files of {short(handle.id)}")
        if volumes or record.host_config.auto_remove:
            await self._remove_volumes(record.anonymous_volumes)
        ports.ledger.publish(record, "destroy")
        handle.waiters.removed(ExitStatus(record.state.exit_code))

    async def _remove_volumes(self, names: list[str]) -> None:
        for name in names:
            try:
                await self._ports.volumes.remove(name)
            except (NotFound, Conflict) as error:
                _log.debug("anonymous volume stays: %s", error)


async def _delete(path: str) -> None:
    await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
