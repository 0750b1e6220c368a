"""Steps of builds: containers without a record, started and ended by the parts of real ones.

No row is written. A task, cgroup, bundle or directory that belongs to no container is removed at
the next start (`recovery`, `runtime.sweep`, `directories.sweep`); sandboxes and mounts are held by
descriptors and end with us.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import time

from msgspec import Struct, structs

from wharfie.engine.containers.catalogue import Catalogue
from wharfie.engine.containers.create.abilities import fit_limits
from wharfie.engine.containers.create.defaults import DefaultsHandle
from wharfie.engine.containers.create.environment import container_environment
from wharfie.engine.containers.networking import attachments, parse_mode
from wharfie.engine.containers.rootfs.directories import ContainerDirectories
from wharfie.engine.containers.rootfs.managed import ManagedFiles
from wharfie.engine.containers.sharing import Sharing
from wharfie.engine.networks import Networks
from wharfie.formats.stdcopy import Decoder
from wharfie.model.build.step import Step, StepOutput
from wharfie.model.clock import rfc3339
from wharfie.model.container import Config, Container, CreateSpec, HostConfig
from wharfie.model.errors import Internal
from wharfie.model.ids import ImageId, short
from wharfie.model.network import Connection, JoinRequest
from wharfie.model.nursery import Nursery
from wharfie.model.remapping import Remapping
from wharfie.model.runtime import BundleMount, LaunchPlan, Runtime
from wharfie.model.task import AttachSpec, LogSpec, TaskExit, TaskSupervisor

_SIGKILL = 9
_LOST = 255
_CHUNK = 1 << 16
_END_SECONDS = 30.0
_MANAGED = ("resolv.conf", "hostname", "hosts")


class StepPorts(Struct, frozen=True, kw_only=True):
    """What steps need of the rest of the engine."""

    catalogue: Catalogue
    networks: Networks
    runtime: Runtime
    supervisor: TaskSupervisor
    files: ManagedFiles
    directories: ContainerDirectories
    defaults: DefaultsHandle
    nursery: Nursery
    remapping: Remapping | None = None


class Steps:
    """See `model.build.step.StepRunner`."""

    def __init__(self, ports: StepPorts) -> None:
        self._ports = ports
        self._sharing = Sharing(ports.catalogue, ports.remapping)
        self._running: dict[str, asyncio.Future[int]] = {}

    def is_remapped(self, host: HostConfig) -> bool:
        """Tell whether a step runs in the engine's user namespace."""
        return self._sharing.is_remapped(host)

    def owner_on_host(self, host: HostConfig, uid: int, gid: int) -> tuple[int, int]:
        """What a user and group of a step are outside of its user namespace."""
        remapping = self._ports.remapping
        if remapping is None or not self.is_remapped(host):
            return uid, gid
        return remapping.on_host(uid, gid)

    def on_exit(self, exit_: TaskExit) -> bool:
        """Take up an exit; False when it is not a step's."""
        ended = self._running.get(exit_.id)
        if ended is None:
            return False
        if not ended.done():
            ended.set_result(exit_.code if exit_.code >= 0 else _LOST)
        return True

    async def run(self, step: Step, output: StepOutput) -> int:
        """Run a step to its end; see the port."""
        ports = self._ports
        record = self._record(step)
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._running[step.id] = ended
        connection: Connection | None = None
        try:
            connection = await self._join(record)
            record = await asyncio.to_thread(self._write_files, record, connection)
            ours, theirs = socket.socketpair()
            with ours, theirs:
                await ports.supervisor.attach(
                    step.id, theirs.fileno(), AttachSpec(stdout=True, stderr=True)
                )
                pid = await self._launch(self._plan(step, record, connection))
                theirs.close()
                try:
                    if connection is not None:
                        await ports.networks.started(record.id, pid, connection)
                    return await self._follow(record, ours, ended, output)
                finally:
                    if not ended.done():
                        await self._kill(step, ended)
        finally:
            await self._clean(record, connection)
            self._running.pop(step.id, None)

    async def _launch(self, plan: LaunchPlan) -> int:
        """Start it. Cancelled meanwhile, it has started or failed when this returns."""
        launching = asyncio.ensure_future(self._ports.runtime.launch(plan))
        try:
            return await asyncio.shield(launching)
        except asyncio.CancelledError:
            await asyncio.wait([launching])
            if launching.exception() is None:
                await self._ports.supervisor.signal(plan.container.id, _SIGKILL)
            raise

    async def _follow(
        self,
        record: Container,
        stream: socket.socket,
        ended: asyncio.Future[int],
        output: StepOutput,
    ) -> int:
        """Pass output on until its end, which comes after that of the process is settled."""
        loop = asyncio.get_running_loop()
        stream.setblocking(False)
        decoder = Decoder()
        settling = self._ports.nursery.begin(
            self._settle(record, ended), f"end of build step {short(record.id)}"
        )
        try:
            while data := await loop.sock_recv(stream, _CHUNK):
                for frame in decoder.feed(data):
                    output(frame.stream, frame.payload)
        except ConnectionResetError:
            pass  # the supervisor was replaced
        except BaseException:
            settling()
            raise
        return await ended

    async def _settle(self, record: Container, ended: asyncio.Future[int]) -> None:
        await asyncio.wait([ended])
        await self._ports.supervisor.settle(record.id)

    async def _kill(self, step: Step, ended: asyncio.Future[int]) -> None:
        await self._ports.supervisor.signal(step.id, _SIGKILL)
        done, _ = await asyncio.wait([ended], timeout=_END_SECONDS)
        if not done:
            raise Internal(f"build step {short(step.id)} does not end")

    async def _clean(self, record: Container, connection: Connection | None) -> None:
        """Free everything; what fails is left to the next start."""
        ports = self._ports
        try:
            await ports.runtime.delete(record)
        finally:
            if connection is not None:
                await ports.networks.leave(record.id, connection)
                ports.networks.announce_left(record.id, connection)
            await ports.supervisor.settle(record.id)
            path = ports.directories.path(record.id)
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)

    def _record(self, step: Step) -> Container:
        """What a container of this step would be recorded as.

        Raises:
            EngineError: it could never start.
        """
        defaults = self._ports.defaults.now
        host, _ = fit_limits(defaults.fill(step.host), defaults.abilities)
        self._ports.runtime.check(host)
        now = time.time_ns()
        config = Config(
            hostname=step.hostname,
            user=step.user,
            env=step.environment,
            working_dir=step.directory,
        )
        record = Container(
            id=step.id,
            name=f"build-{short(step.id)}",
            created=rfc3339(now),
            created_at=now,
            path=step.arguments[0],
            args=step.arguments[1:],
            config=config,
            host_config=host,
            image=ImageId(""),
            image_ref="",
            app_armor_profile=self._ports.runtime.profile_of(host),
        )
        spec = CreateSpec(config=config, host_config=host)
        networks = attachments(spec, record.id, record.name, self._ports.networks.get)
        return structs.replace(record, networks=networks)

    async def _join(self, record: Container) -> Connection | None:
        mode = parse_mode(record.host_config.network_mode)
        if mode.kind in ("host", "container"):
            return None
        networks = self._ports.networks
        joins = []
        if mode.kind == "network":
            joins = [
                (networks.get(attachment.settings.network_id or name), attachment.settings)
                for name, attachment in record.networks.items()
            ]
        return await networks.join(
            JoinRequest(
                container_id=record.id,
                container_name=record.name,
                networks=joins,
                resolving=self._ports.files.resolving(record) if joins else None,
            )
        )

    def _write_files(self, record: Container, connection: Connection | None) -> Container:
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
        if self._ports.remapping is not None and self.is_remapped(record.host_config):
            self._ports.directories.give(record.id, *self._ports.remapping.root)
        return written

    def _plan(self, step: Step, record: Container, connection: Connection | None) -> LaunchPlan:
        taken = {mount.destination for mount in step.mounts}
        paths = (record.resolv_conf_path, record.hostname_path, record.hosts_path)
        managed = [
            BundleMount(
                type="bind",
                source=path,
                destination=f"/etc/{name}",
                options=["rbind", "rw", "rprivate"],
            )
            for name, path in zip(_MANAGED, paths, strict=True)
            if f"/etc/{name}" not in taken
        ]
        return LaunchPlan(
            container=record,
            rootfs=step.rootfs,
            namespaces=self._sharing.namespaces(record, connection),
            hostname=step.hostname,
            mounts=[*step.mounts, *managed],
            environment=container_environment(step.environment, hostname=step.hostname, tty=False),
            log=LogSpec(driver="none"),
        )
