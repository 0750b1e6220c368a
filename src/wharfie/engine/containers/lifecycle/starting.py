"""Starting a container: mount, network, files, run. One way up, one way down.

    root mount (detached) ─┐
    sandbox and ports ─────┴─▶ managed files ─▶ intent on disk ─▶ OCI runtime ─▶ "running"

Mount and sandbox are held by descriptors, so a crash before the intent leaves nothing. From the
intent on, recovery finds `state.starting` and asks the supervisor whether the task exists. Undo
is `bring_down`, the same for failure, exit, crash and removal.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence

from msgspec import Struct, structs

from wharfie.engine.containers.catalogue import Catalogue, ContainerHandle
from wharfie.engine.containers.create.environment import container_environment
from wharfie.engine.containers.ledger import Ledger
from wharfie.engine.containers.lifecycle.health import begun
from wharfie.engine.containers.links import Links
from wharfie.engine.containers.logs.spec import log_spec
from wharfie.engine.containers.networking import (
    NetworkMode,
    connected,
    disconnected,
    parse_mode,
    wanted_ports,
)
from wharfie.engine.containers.rootfs.directories import ContainerDirectories
from wharfie.engine.containers.rootfs.managed import ManagedFiles
from wharfie.engine.containers.rootfs.opening import MountOpener, MountPorts, close_mounts
from wharfie.engine.containers.rootfs.volumes import VolumeMounts
from wharfie.engine.containers.rootfs.volumes import close as close_volumes
from wharfie.engine.containers.sharing import Sharing
from wharfie.engine.images import Images
from wharfie.engine.networks import Networks
from wharfie.model.clock import rfc3339
from wharfie.model.container import Container, Status
from wharfie.model.errors import EngineError, StartFailed
from wharfie.model.ids import SnapshotKey
from wharfie.model.lifecycle import has_process
from wharfie.model.network import Connection, JoinRequest
from wharfie.model.remapping import Remapping
from wharfie.model.runtime import BundleMount, LaunchPlan, MountTrees, Runtime
from wharfie.model.snapshot import Snapshotter
from wharfie.model.task import TaskSupervisor
from wharfie.model.waits import MOUNT_SECONDS, within

_MANAGED = ("resolv.conf", "hostname", "hosts")


class StartPorts(Struct, frozen=True, kw_only=True):
    """What starting needs of the rest of the engine."""

    catalogue: Catalogue
    ledger: Ledger
    networks: Networks
    snapshotter: Snapshotter
    runtime: Runtime
    trees: MountTrees
    images: Images
    supervisor: TaskSupervisor
    files: ManagedFiles
    volumes: VolumeMounts
    directories: ContainerDirectories
    remapping: Remapping | None = None


class Starter:
    """Brings containers up and down. The caller holds the container's lock."""

    def __init__(self, ports: StartPorts) -> None:
        self._ports = ports
        self._sharing = Sharing(ports.catalogue, ports.remapping)
        self._links = Links(ports.catalogue)
        self._mounts = MountOpener(MountPorts(ports.trees, ports.images, ports.snapshotter))

    async def start(self, handle: ContainerHandle, *, automatic: bool = False) -> None:
        """Start a container whose state allows it.

        Raises:
            StartFailed: its process cannot run; recorded as its exit code.
            EngineError: the network, a mount or the host refused; recorded as its error.
        """
        ports = self._ports
        before = handle.record
        try:
            pid, started = await self._bring_up(handle)
        except EngineError as error:
            await self._failed(handle, before, error)
            raise
        state = structs.replace(
            handle.record.state,
            status=Status.RUNNING,
            starting=False,
            pid=pid,
            exit_code=0,
            error="",
            oom_killed=False,
            started_at=rfc3339(started),
            manually_stopped=False,
            restart_count=handle.record.state.restart_count if automatic else 0,
            health=begun(handle.record.config, handle.record.state.health),
        )
        await ports.ledger.save(handle, structs.replace(handle.record, state=state))
        ports.volumes.announce("mount", handle.record)
        ports.ledger.publish(handle.record, "start")

    async def bring_down(self, handle: ContainerHandle) -> None:
        """Free network, cgroups, bundle; idempotent, also for what never came up."""
        ports = self._ports
        if handle.is_clean:
            return
        if handle.connection is not None:
            await ports.networks.leave(handle.id, handle.connection)
        await ports.runtime.delete(handle.record)
        await ports.volumes.detach(handle.record)
        handle.is_clean = True

    async def _bring_up(self, handle: ContainerHandle) -> tuple[int, int]:
        """Returns the pid, and when it was started in nanoseconds since the epoch."""
        ports = self._ports
        handle.is_clean = False
        self._links.environment(handle.record)  # refuses what cannot be linked
        rootfs, connection = await self._acquire(handle.record)
        try:
            record = await asyncio.to_thread(self._write_files, handle.record, connection)
            if connection is not None:
                record = connected(record, connection)
            state = structs.replace(record.state, starting=True)
            record = structs.replace(record, state=state)
            await ports.ledger.save_connected(handle, record, connection)
            pid, started = await self._launch(record, rootfs, connection)
        finally:
            os.close(rootfs)
        if connection is not None:
            await ports.networks.started(handle.id, pid, connection)
        for parent in ports.catalogue.parents(handle.id):
            await self._refresh_hosts(parent)
        return pid, started

    async def _refresh_hosts(self, handle: ContainerHandle) -> None:
        """A linked container has another address: tell those that know it."""
        if has_process(handle.record.state.status):
            await asyncio.to_thread(self._ports.files.refresh_links, handle.record)

    async def _launch(
        self, record: Container, rootfs: int, connection: Connection | None
    ) -> tuple[int, int]:
        donor = self._sharing.ipc_donor(record.host_config)
        volumes = await self._ports.volumes.attach(record)
        try:
            remapped = self._sharing.is_remapped(record.host_config)
            opening = self._mounts.open(record, donor, volumes, remapped=remapped)
            mounts = await within(MOUNT_SECONDS, opening, f"a mount of container {record.name}")
        finally:
            close_volumes(volumes)
        try:
            plan = self._plan(record, rootfs, connection, mounts)
            # Before, not after: what ends at once must not have ended before it started.
            started = time.time_ns()
            return await self._ports.runtime.launch(plan), started
        finally:
            close_mounts(mounts)

    async def _acquire(self, record: Container) -> tuple[int, Connection | None]:
        """Mount and join side by side; if one fails the other is given back."""
        rootfs, connection = await asyncio.gather(
            self._mount_root(record),
            self._join(record),
            return_exceptions=True,
        )
        if isinstance(rootfs, BaseException) or isinstance(connection, BaseException):
            if isinstance(rootfs, int):
                os.close(rootfs)
            if isinstance(connection, Connection):
                await self._ports.networks.leave(record.id, connection)
            failures = [e for e in (rootfs, connection) if isinstance(e, BaseException)]
            raise failures[0]
        return rootfs, connection

    async def _mount_root(self, record: Container) -> int:
        remapped = self._sharing.is_remapped(record.host_config)
        return await self._ports.snapshotter.mount(
            SnapshotKey(record.id), remapped=remapped, label=record.mount_label
        )

    async def _join(self, record: Container) -> Connection | None:
        mode = parse_mode(record.host_config.network_mode)
        if mode.kind in ("host", "container"):
            return None
        try:
            return await self._join_networks(record, mode)
        except EngineError as error:
            # Docker's words around the cause, whose class decides the status.
            error.args = (f"failed to set up container networking: {error}",)
            raise

    async def _join_networks(self, record: Container, mode: NetworkMode) -> Connection:
        networks = self._ports.networks
        joins = []
        if mode.kind == "network" and record.config.network_disabled is not True:
            joins = [
                (networks.get(attachment.settings.network_id or name), attachment.settings)
                for name, attachment in record.networks.items()
            ]
        return await networks.join(
            JoinRequest(
                container_id=record.id,
                container_name=record.name,
                networks=joins,
                publish=wanted_ports(record.config, record.host_config) if joins else {},
                resolving=self._ports.files.resolving(record) if joins else None,
            )
        )

    def _write_files(self, record: Container, connection: Connection | None) -> Container:
        """Write hosts, hostname and resolv.conf; a container in another's network shares them."""
        mode = parse_mode(record.host_config.network_mode)
        if mode.kind == "container":
            other = self._sharing.network_donor(mode.target)
            return structs.replace(
                record,
                hosts_path=other.hosts_path,
                hostname_path=other.hostname_path,
                resolv_conf_path=other.resolv_conf_path,
            )
        written = self._ports.files.write(record, connection)
        if self._sharing.is_remapped(record.host_config) and self._ports.remapping is not None:
            self._ports.directories.give(record.id, *self._ports.remapping.root)
        return written

    def _plan(
        self,
        record: Container,
        rootfs: int,
        connection: Connection | None,
        opened: Sequence[BundleMount],
    ) -> LaunchPlan:
        mounts = list(opened)
        taken = {mount.destination for mount in mounts}
        managed = zip(
            _MANAGED,
            (record.resolv_conf_path, record.hostname_path, record.hosts_path),
            strict=True,
        )
        access = "ro" if record.host_config.readonly_rootfs else "rw"
        mounts += [
            BundleMount(
                type="bind",
                source=path,
                destination=f"/etc/{name}",
                options=["rbind", access, "rprivate"],
            )
            for name, path in managed
            if f"/etc/{name}" not in taken
        ]
        return LaunchPlan(
            container=record,
            rootfs=rootfs,
            namespaces=self._sharing.namespaces(record, connection),
            hostname=self._hostname(record),
            mounts=mounts,
            environment=container_environment(
                record.config.env,
                hostname=self._hostname(record),
                tty=record.config.tty,
                links=self._links.environment(record),
            ),
            log=log_spec(record, self._ports.directories, os.uname().nodename),
        )

    def _hostname(self, record: Container) -> str:
        mode = parse_mode(record.host_config.network_mode)
        if mode.kind == "container" and not record.config.hostname:
            return self._sharing.network_donor(mode.target).config.hostname
        return record.config.hostname

    async def _failed(self, handle: ContainerHandle, before: Container, error: EngineError) -> None:
        """Take back what came up, record why it did not, let attached clients go."""
        ports = self._ports
        await self.bring_down(handle)
        code = error.exit_code if isinstance(error, StartFailed) else 128
        state = structs.replace(
            before.state, starting=False, pid=0, exit_code=code, error=error.message
        )
        if state.status is Status.RESTARTING:
            state = structs.replace(state, status=Status.EXITED)
        record = structs.replace(disconnected(handle.record), state=state)
        await ports.ledger.save_connected(handle, record, None, durable=True)
        await ports.supervisor.settle(handle.id)
