"""The composition root: the only module that names concrete drivers.

Opening goes bottom up: store and supervisor, drivers, the engine's services, recovery between
loading the records and restoring the networks, the API last. Closing goes the other way.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from wharfie import __version__
from wharfie.api import ApiRules, Services, application
from wharfie.api.services import Graph, NoGraph
from wharfie.api.versions import parse_version
from wharfie.build.service import Builds
from wharfie.daemon.about import base_info, version_info
from wharfie.daemon.adoption import Adoption, choose_runtimes
from wharfie.daemon.build_service import BuildGround, open_build_service
from wharfie.daemon.builds import BuildPorts as BuildParts
from wharfie.daemon.config import Config
from wharfie.daemon.defaults import (
    container_defaults,
    default_bridge,
    host_abilities,
    network_settings,
    read_seccomp_profile,
    registry_settings,
    runtime_defaults,
    unpack_limits,
)
from wharfie.daemon.encryption import Encryption
from wharfie.daemon.graph import SnapshotGraph
from wharfie.daemon.instance import StartError
from wharfie.daemon.listening import Listening, container_barrier, origin_policy
from wharfie.daemon.listening.limits import connection_limits
from wharfie.daemon.metrics import open_metrics
from wharfie.daemon.remapping import open_remapping
from wharfie.daemon.service_manager import is_machine_stopping
from wharfie.daemon.stuck import StuckReport
from wharfie.drivers.archive import JailArchiver, JailTrees
from wharfie.drivers.content import LocalContentStore
from wharfie.drivers.logs import FileLogReader
from wharfie.drivers.network import BridgeNetworks
from wharfie.drivers.runtime import KernelTrees, Labels, OciRuntime
from wharfie.drivers.runtime.supervision import SupervisorClient, open_supervisor
from wharfie.drivers.snapshot import OverlaySnapshotter
from wharfie.drivers.volume import LocalVolumeDriver, VolumePlugins
from wharfie.engine.containers import (
    ContainerCommits,
    ContainerFiles,
    ContainerStreams,
    ContainerUpdates,
    ContainerUsage,
)
from wharfie.engine.containers.create.assembly import ContainerEngine, ContainerPorts, assemble
from wharfie.engine.containers.create.defaults import DefaultsHandle
from wharfie.engine.containers.lifecycle.memory import MemoryWatches
from wharfie.engine.containers.lifecycle.shutdown import stop_all
from wharfie.engine.events import EventBus, EventRecorder
from wharfie.engine.exec import Execs
from wharfie.engine.health import HealthMonitors
from wharfie.engine.images import Images
from wharfie.engine.images.distribution.remote import RemoteImages
from wharfie.engine.images.distribution.slots import Slots
from wharfie.engine.images.service import ImageUse
from wharfie.engine.images.upkeep import FileSystem, Watermarks
from wharfie.engine.networks import Networks
from wharfie.engine.system import Metrics, System
from wharfie.engine.volumes import VolumeArchives, Volumes
from wharfie.kernel.cgroups import CgroupHost
from wharfie.kernel.hostinfo import read_host_info
from wharfie.kernel.memory import keep_freed_memory
from wharfie.model.errors import EngineError
from wharfie.model.ids import ImageId, SnapshotKey
from wharfie.model.lifecycle import has_process, is_running
from wharfie.model.measures import Measures
from wharfie.model.nursery import Nursery
from wharfie.model.remapping import Remapping
from wharfie.model.task import AttachmentEnd, TaskExit, TaskSupervisor
from wharfie.model.waits import WaitList
from wharfie.registry.client import RemoteRegistries
from wharfie.state import SqliteStore
from wharfie.web import Server
from wharfie.web.client import Client, Dialer

_log = logging.getLogger(__name__)
_CLOSE_GRACE = 10.0


class Daemon:
    """The assembled daemon: serves until closed."""

    def __init__(
        self, stack: AsyncExitStack, server: Server, listening: Listening, adoption: Adoption
    ) -> None:
        self._stack = stack
        self._server = server
        self._listening = listening
        self.adoption = adoption

    async def serve(self) -> None:
        """Answer the clients; those that waited come first."""
        await self._listening.serve(self._server)

    async def close(self) -> None:
        """Stop serving, let verbs under way end, close everything; containers go on."""
        await self._stack.aclose()


async def open_daemon(config: Config, report: StuckReport) -> Daemon:
    """Build everything and recover; ready to serve.

    Raises:
        StartError, ConfigError: it cannot start; what was opened is closed again.
    """
    keep_freed_memory()
    encryption = Encryption(config)
    listening = Listening(config, encryption.source)
    async with AsyncExitStack() as stack:
        stack.callback(listening.close)
        builder = _Builder(config, stack, report)
        services = await _open(
            builder, lambda: [*listening.warnings, *config.warnings, *encryption.warnings()]
        )
        watch = Nursery()
        watch.start(encryption.watch(), "watch over certificates")
        stack.push_async_callback(watch.close, grace=0)
        rules = ApiRules(
            floor=parse_version(config.min_api_version),
            experimental=config.experimental,
            origins=origin_policy(config),
        )
        server = Server(
            application(
                services,
                graph=builder.graph,
                rules=rules,
                waits=builder.requests,
                measures=builder.measures,
            ),
            limits=connection_limits(),
            barrier=container_barrier(config, builder.bridges),
        )
        stack.push_async_callback(server.close)
        if config.metrics_addr:
            metrics = await open_metrics(
                config.metrics_addr,
                builder.metrics(services).page,
                limits=connection_limits(),
                barrier=container_barrier(config, builder.bridges),
            )
            stack.push_async_callback(metrics.close)
        adoption = builder.adoption(services.system, encryption, server)
        return Daemon(stack.pop_all(), server, listening, adoption)


async def _open(builder: _Builder, warnings: Callable[[], Sequence[str]]) -> Services:
    try:
        return await builder.open(warnings)
    except (EngineError, OSError) as error:
        raise StartError(str(error)) from error


class _Builder:
    """Opens driver after driver, each with its closing pushed on the stack."""

    def __init__(self, config: Config, stack: AsyncExitStack, report: StuckReport) -> None:
        self._config = config
        self._stack = stack
        self._report = report
        self._nursery = Nursery()
        self.requests = WaitList()
        self.measures = Measures()
        self._labels = Labels.of_host() if config.selinux_enabled else Labels()
        self._watches = Nursery()
        self._events = EventBus()
        self._cgroups = CgroupHost.detect()
        self._host = read_host_info(self._cgroups)
        self.graph: Graph = NoGraph()
        self.bridges: Callable[[], set[str]] = set
        self._registries = RemoteRegistries(
            registry_settings(config), agent=f"docker/{__version__} wharfie/{__version__} os/linux"
        )
        self._downloads = Slots(config.max_concurrent_downloads)
        self._uploads = Slots(config.max_concurrent_uploads)
        self._adoption: Adoption | None = None
        self._remapping: Remapping | None = None
        self._reloaded: tuple[OciRuntime, DefaultsHandle] | None = None

    async def open(self, warnings: Callable[[], Sequence[str]]) -> Services:
        """Open everything and recover."""
        config, stack = self._config, self._stack
        store = self._open_store()
        supervisor = await open_supervisor(config.exec_root)
        stack.push_async_callback(self._close_supervisor, supervisor)
        for source in (self.requests, self._nursery, supervisor):
            self._report.add(source)
        snapshotter = await self._open_snapshotter(store)
        archiver = JailArchiver(limits=unpack_limits(config))
        await archiver.open()
        stack.push_async_callback(archiver.close)
        driver = BridgeNetworks(network_settings(config, self._remapping))
        stack.callback(driver.close)
        self.bridges = driver.bridges
        stack.push_async_callback(self._close_nursery)
        runtime = self._runtime(supervisor)
        stack.callback(runtime.close)
        volume_driver = LocalVolumeDriver(config.data_root)
        stack.push_async_callback(volume_driver.close)
        volumes = Volumes(store, volume_driver, self._events, VolumePlugins())
        networks = Networks(
            store,
            driver,
            self._events,
            default_bridge=default_bridge(config),
            default_options=config.default_network_opts,
            actions=self.measures.networks,
        )
        images = self._images(store, snapshotter, archiver)
        engine = assemble(
            ContainerPorts(
                store=store,
                events=self._events,
                images=images,
                networks=networks,
                volumes=volumes,
                snapshotter=snapshotter,
                archiver=archiver,
                runtime=runtime,
                trees=KernelTrees(self._remapping),
                remapping=self._remapping,
                supervisor=supervisor,
                nursery=self._nursery,
                defaults=container_defaults(
                    config,
                    runtime=runtime.default_runtime,
                    cgroup_version=self._cgroups.version,
                    cpus=self._host.cpus,
                    abilities=host_abilities(self._host),
                ),
                data_root=config.data_root,
            )
        )
        self._report.add(engine.catalogue)
        builds = await self._builds(store, snapshotter, archiver, images, engine)
        streams = ContainerStreams(
            catalogue=engine.catalogue,
            ledger=engine.ledger,
            supervisor=supervisor,
            log_reader=FileLogReader(),
            directories=engine.directories,
        )
        execs = Execs(
            containers=engine.containers,
            store=store,
            runtime=runtime,
            supervisor=supervisor,
            events=self._events,
            nursery=self._nursery,
        )
        await self._recover(
            engine,
            execs,
            listen=lambda: self._subscribe(supervisor, engine, streams, execs),
            store=store,
            snapshotter=snapshotter,
            networks=networks,
            images=images,
            volumes=volumes,
        )
        self._reloaded = (runtime, engine.defaults)
        running = [h.id for h in engine.catalogue if has_process(h.record.state.status)]
        await runtime.sweep(running)
        engine.directories.sweep({handle.id for handle in engine.catalogue})
        self._watch(engine, runtime, execs)
        engine.recovery.start_policies()
        self._collect_images(images, snapshotter)
        stack.push_async_callback(self._stop_containers, engine, supervisor)
        _log.info("Loading containers: done.")
        return Services(
            containers=engine.containers,
            streams=streams,
            files=ContainerFiles(
                catalogue=engine.catalogue,
                ledger=engine.ledger,
                snapshotter=snapshotter,
                archiver=archiver,
            ),
            usage=ContainerUsage(catalogue=engine.catalogue, runtime=runtime),
            commits=ContainerCommits(
                catalogue=engine.catalogue,
                ledger=engine.ledger,
                runtime=runtime,
                snapshotter=snapshotter,
                images=images,
            ),
            updates=ContainerUpdates(
                catalogue=engine.catalogue,
                ledger=engine.ledger,
                runtime=runtime,
                cpus=self._host.cpus,
                abilities=host_abilities(self._host),
            ),
            execs=execs,
            images=images,
            builds=builds,
            registries=RemoteImages(self._registries),
            networks=networks,
            attachments=engine.attachments,
            publishing=engine.publishing,
            volumes=volumes,
            volume_archives=VolumeArchives(volumes, archiver, engine.volume_mounts.holders),
            system=self._system(runtime, engine, images, warnings),
            events=self._events,
        )

    def metrics(self, services: Services) -> Metrics:
        """What is told to Prometheus; `open` was called before."""
        return Metrics(self.measures, services.system.info, self._events)

    def adoption(self, system: System, encryption: Encryption, server: Server) -> Adoption:
        """What takes up a changed configuration; `open` was called before."""
        assert self._reloaded is not None
        runtime, defaults = self._reloaded
        self._adoption = Adoption(
            self._config,
            runtime=runtime,
            defaults=defaults,
            system=system,
            cgroup_version=self._cgroups.version,
            encryption=encryption,
            server=server,
            registries=self._registries,
            transfers=(self._downloads, self._uploads),
        )
        return self._adoption

    def _images(
        self, store: SqliteStore, snapshotter: OverlaySnapshotter, archiver: JailArchiver
    ) -> Images:
        self._stack.push_async_callback(self._registries.close)
        return Images(
            store,
            LocalContentStore(self._config.data_root),
            snapshotter,
            archiver,
            self._events,
            limits=unpack_limits(self._config),
            registries=self._registries,
            downloads=self._downloads,
            uploads=self._uploads,
        )

    async def _builds(
        self,
        store: SqliteStore,
        snapshotter: OverlaySnapshotter,
        archiver: JailArchiver,
        images: Images,
        engine: ContainerEngine,
    ) -> Builds:
        limits = unpack_limits(self._config)
        proxies = registry_settings(self._config).proxies
        client = Client(Dialer(proxies=proxies), agent=f"wharfie/{__version__}")
        self._stack.push_async_callback(client.close)
        parts = BuildParts(
            store=store,
            images=images,
            snapshots=snapshotter,
            archiver=archiver,
            files=JailTrees(archiver, limits),
            steps=engine.steps,
            trees=KernelTrees(self._remapping),
            nursery=self._nursery,
            data_root=self._config.data_root,
            client=client,
            file_limit=limits.size,
        )
        return await open_build_service(
            self._stack,
            BuildGround(
                data_root=self._config.data_root,
                parts=parts,
                events=self._events,
                snapshotter=snapshotter,
                archiver=archiver,
                limits=limits,
                entitlements=["network.host"],
            ),
        )

    def _collect_images(self, images: Images, snapshotter: OverlaySnapshotter) -> None:
        """Keep the disk below the watermarks, where some are configured."""
        config = self._config
        if config.gc_high:
            disk = FileSystem(config.data_root, snapshotter.settle)
            collector = images.collector(Watermarks(config.gc_high, config.gc_low), disk)
            keeper = Nursery()
            keeper.start(collector.run(), "collection of unused images")
            self._stack.push_async_callback(keeper.close, grace=0)

    async def _open_snapshotter(self, store: SqliteStore) -> OverlaySnapshotter:
        self._remapping = await asyncio.to_thread(open_remapping, self._config.userns_remap)
        if self._remapping is not None:
            self._stack.callback(os.close, self._remapping.namespace)
        snapshotter = OverlaySnapshotter(self._config.data_root, store, remapping=self._remapping)
        await snapshotter.open()
        self.graph = SnapshotGraph(snapshotter)
        self._stack.push_async_callback(snapshotter.close)
        return snapshotter

    def _watch(self, engine: ContainerEngine, runtime: OciRuntime, execs: Execs) -> None:
        """Look after running containers: their memory, their health."""
        memory = MemoryWatches(
            catalogue=engine.catalogue,
            ledger=engine.ledger,
            runtime=runtime,
            nursery=self._nursery,
        )
        health = HealthMonitors(
            catalogue=engine.catalogue,
            ledger=engine.ledger,
            execs=execs,
            nursery=self._nursery,
            measures=self.measures,
        )
        for watching in (memory, health):
            watching.open()
            self._stack.callback(watching.close)

    def _open_store(self) -> SqliteStore:
        """The state, and the events it keeps; closed last, after the last event."""
        stack = self._stack
        store = SqliteStore(os.path.join(self._config.data_root, "engine.db"))
        stack.callback(store.close)
        recorder = EventRecorder(store, self._events)
        recorder.open()
        stack.push_async_callback(recorder.flush)
        self._watches.start(recorder.run(), "keeping events")
        stack.push_async_callback(self._watches.close, grace=0)
        return store

    async def _close_supervisor(self, supervisor: SupervisorClient) -> None:
        """Leave the supervisor to its tasks; without any it is not needed."""
        if await supervisor.tasks():
            await supervisor.close()
        else:
            await supervisor.shutdown()

    async def _stop_containers(self, engine: ContainerEngine, supervisor: TaskSupervisor) -> None:
        config = self._adoption.config if self._adoption else self._config
        if not config.live_restore or await is_machine_stopping():
            timeout = float(config.shutdown_timeout)
            await stop_all(engine.catalogue, engine.endings, supervisor, timeout=timeout)

    async def _close_nursery(self) -> None:
        await self._nursery.close(grace=_CLOSE_GRACE)

    def _runtime(self, supervisor: TaskSupervisor) -> OciRuntime:
        config = self._config
        runtimes, default = choose_runtimes(config)
        return OciRuntime(
            config.exec_root,
            supervisor,
            runtimes,
            default,
            defaults=runtime_defaults(config, cgroup_version=self._cgroups.version),
            seccomp_profile=read_seccomp_profile(config),
            cgroups=self._cgroups,
            labels=self._labels,
        )

    def _subscribe(
        self,
        supervisor: TaskSupervisor,
        engine: ContainerEngine,
        streams: ContainerStreams,
        execs: Execs,
    ) -> None:
        def on_exit(exit_: TaskExit) -> None:
            known = (engine.endings, execs, engine.steps)
            if not any(one.on_exit(exit_) for one in known):
                self._nursery.start(supervisor.settle(exit_.id), f"end of stranger {exit_.id}")

        def on_attachment_end(end: AttachmentEnd) -> None:
            streams.attachment_ended(end)
            execs.attachment_ended(end)

        supervisor.subscribe(on_exit=on_exit, on_attachment_end=on_attachment_end)

    async def _recover(
        self,
        engine: ContainerEngine,
        execs: Execs,
        *,
        listen: Callable[[], None],
        store: SqliteStore,
        snapshotter: OverlaySnapshotter,
        networks: Networks,
        images: Images,
        volumes: Volumes,
    ) -> None:
        _log.info("Loading containers: start.")
        containers = store.read(lambda tx: tx.containers.all())
        connections = store.read(lambda tx: tx.containers.connections())
        live = await engine.recovery.load(containers, connections)
        await networks.open(live)
        await volumes.open(lambda name: _volume_users(engine, name))
        # Before the images: layers under snapshots nobody has are then collected with them.
        await snapshotter.sweep([SnapshotKey(handle.id) for handle in engine.catalogue])
        await images.open(lambda: _image_uses(engine))
        await execs.load(engine.recovery.tasks)
        await engine.recovery.reconcile(listen, execs)

    def _system(
        self,
        runtime: OciRuntime,
        engine: ContainerEngine,
        images: Images,
        warnings: Callable[[], Sequence[str]],
    ) -> System:
        return System(
            base=base_info(
                self._config, self._host, self._cgroups, runtime, labelled=self._labels.is_on
            ),
            version=version_info(self._host, runtime),
            containers=lambda: [handle.record for handle in engine.catalogue],
            images=lambda: images.count,
            file_descriptors=lambda: len(os.listdir("/proc/self/fd")),
            warnings=warnings,
            events=self._events,
        )


def _volume_users(engine: ContainerEngine, name: str) -> list[str]:
    return [
        handle.id
        for handle in engine.catalogue
        if any(mount.type == "volume" and mount.name == name for mount in handle.record.mounts)
    ]


def _image_uses(engine: ContainerEngine) -> Mapping[ImageId, Sequence[ImageUse]]:
    uses: dict[ImageId, list[ImageUse]] = {}
    for handle in engine.catalogue:
        running = is_running(handle.record.state.status)
        mounted = [
            spec.source for spec in handle.record.mount_specs.values() if spec.type == "image"
        ]
        for image in dict.fromkeys([handle.record.image, *map(ImageId, mounted)]):
            uses.setdefault(image, []).append(ImageUse(handle.id, running))
    return uses
