"""Creating a container: validate, merge, resolve, record.

Everything that can be refused is refused before anything is made. Then: writable layer, volumes
filled from the image, one durable commit. A failure in between takes back what was made; a crash
leaves a layer no row knows, which the start-up sweep removes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence

from msgspec import UNSET, Struct, structs

from wharfie.engine.containers.catalogue import Catalogue, ContainerHandle
from wharfie.engine.containers.create.abilities import fit_limits
from wharfie.engine.containers.create.defaults import DefaultsHandle
from wharfie.engine.containers.create.hardware_address import move_hardware_address
from wharfie.engine.containers.create.labels import with_label_options
from wharfie.engine.containers.create.merge import merge_image_config
from wharfie.engine.containers.create.names import check_name, make_up_name
from wharfie.engine.containers.create.validation import (
    check_create,
    check_quality,
    check_user_namespace,
    storage_size,
)
from wharfie.engine.containers.ledger import Ledger
from wharfie.engine.containers.links import Links
from wharfie.engine.containers.networking import attachments, parse_mode
from wharfie.engine.containers.rootfs.directories import ContainerDirectories
from wharfie.engine.containers.rootfs.mounts import (
    MountResolver,
    Resolved,
    parse,
    parse_volumes_from,
)
from wharfie.engine.containers.sharing import by_id
from wharfie.engine.images import Images
from wharfie.engine.networks import Networks
from wharfie.engine.volumes import Volumes
from wharfie.model.archive import Archiver, Root
from wharfie.model.clock import rfc3339
from wharfie.model.container import Container, Created, CreateSpec, HostConfig
from wharfie.model.errors import (
    InvalidArgument,
    NotFound,
)
from wharfie.model.ids import ContainerId, SnapshotKey, generate_id, short
from wharfie.model.image import Image
from wharfie.model.runtime import Runtime
from wharfie.model.snapshot import Snapshotter
from wharfie.model.waits import MOUNT_SECONDS, within


class CreationPorts(Struct, frozen=True, kw_only=True):
    """What creating needs of the rest of the engine."""

    catalogue: Catalogue
    ledger: Ledger
    images: Images
    networks: Networks
    volumes: Volumes
    snapshotter: Snapshotter
    archiver: Archiver
    runtime: Runtime
    directories: ContainerDirectories
    defaults: DefaultsHandle


class Creator:
    """Makes containers."""

    def __init__(self, ports: CreationPorts) -> None:
        self._ports = ports
        self._resolver = MountResolver(ports.volumes, ports.images)

    async def create(self, spec: CreateSpec) -> Created:
        """Record a new container; see `Containers.create`."""
        ports = self._ports
        container_id = ContainerId(generate_id())
        name = self._take_name(spec.name, container_id)
        try:
            image = ports.images.get(spec.config.image, platform=spec.platform)
            spec, warnings = self._complete(spec, image, container_id)
            record = await self._make(spec, image, container_id, name)
            ports.images.note_use(image)
            handle = ContainerHandle(record)
            handle.is_clean = True
            await ports.ledger.add(handle)
        except BaseException:
            ports.catalogue.release(name, container_id)
            if container_id not in ports.catalogue:
                await self._take_back(container_id)
            raise
        ports.ledger.publish(record, "create")
        return Created(record.id, [*warnings, *_warnings(spec)])

    def _take_name(self, wanted: str, container_id: ContainerId) -> str:
        catalogue = self._ports.catalogue
        if wanted:
            name = check_name(wanted)
        else:
            name = make_up_name(catalogue.has_name, short(container_id))
        catalogue.reserve(name, container_id)
        return name

    def _complete(
        self, spec: CreateSpec, image: Image, container_id: str
    ) -> tuple[CreateSpec, list[str]]:
        """The request with the image's and the engine's defaults; refused if it cannot run.

        Returns:
            It, and warnings of what this host cannot do and was dropped.
        """
        spec, deprecated = move_hardware_address(spec)
        config = merge_image_config(spec.config, image.document.config)
        defaults = self._ports.defaults.now
        check_quality(spec.host_config)
        host, warnings = fit_limits(defaults.fill(spec.host_config), defaults.abilities)
        shares_hostname = parse_mode(host.network_mode).kind == "container" or (
            host.uts_mode == "host"
        )
        if not config.hostname and not shares_hostname:
            is_host = host.network_mode == "host"
            hostname = os.uname().nodename if is_host else short(container_id)
            config = structs.replace(config, hostname=hostname)
        complete = structs.replace(spec, config=config, host_config=host)
        check_create(complete, cpus=defaults.cpus)
        if defaults.remaps:
            check_user_namespace(host)
        self._ports.runtime.check(host)
        return complete, [*deprecated, *warnings]

    async def _make(
        self, spec: CreateSpec, image: Image, container_id: ContainerId, name: str
    ) -> Container:
        ports = self._ports
        with _asked_for_wrongly():
            networks = attachments(spec, container_id, name, ports.networks.get)
            spec = structs.replace(spec, host_config=by_id(spec.host_config, ports.catalogue))
            inherited = self._inherited(spec)
        links = Links(ports.catalogue).resolve(spec.host_config)
        host = with_label_options(spec.host_config, self._process_label)
        spec = structs.replace(spec, host_config=host)
        spec = structs.replace(spec, host_config=self._show_links(spec.host_config, links, name))
        # In a thread, as it looks whether sources are there: on a mount that may be dead.
        parsing = asyncio.to_thread(parse, spec, inherited)
        wanted = await within(MOUNT_SECONDS, parsing, "the source of a bind mount")
        process_label, mount_label = ports.runtime.labels_of(
            spec.host_config, [handle.record.process_label for handle in ports.catalogue]
        )
        entrypoint, cmd = spec.config.entrypoint or [], spec.config.cmd or []
        command = [*entrypoint, *cmd]
        await asyncio.gather(
            ports.snapshotter.prepare(
                SnapshotKey(container_id), image.top, limit=storage_size(spec.host_config)
            ),
            asyncio.to_thread(ports.directories.make, container_id),
        )
        resolved = [
            await within(
                MOUNT_SECONDS, self._resolver.resolve(mount), f"the source of {mount.destination}"
            )
            for mount in wanted
        ]
        await self._fill_volumes(container_id, resolved)
        now = time.time_ns()
        log = spec.host_config.log_config
        return Container(
            id=container_id,
            name=name,
            created=rfc3339(now),
            created_at=now,
            path=command[0],
            args=command[1:],
            config=spec.config,
            host_config=spec.host_config,
            image=image.id,
            image_ref=spec.config.image,
            mounts=[mount.point for mount in resolved],
            mount_specs={m.point.destination: m.spec for m in resolved if m.spec is not None},
            anonymous_volumes=[
                str(mount.point.name)
                for mount in resolved
                if mount.anonymous and mount.point.name is not UNSET
            ],
            networks=networks,
            links=links,
            process_label=process_label,
            mount_label=mount_label,
            app_armor_profile=ports.runtime.profile_of(spec.host_config),
            log_path=ports.directories.log_path(container_id) if log.type == "json-file" else "",
        )

    def _process_label(self, ref: str) -> str:
        return self._ports.catalogue.find(ref).record.process_label

    def _inherited(self, spec: CreateSpec) -> list[Container]:
        refs = spec.host_config.volumes_from or []
        return [self._ports.catalogue.find(parse_volumes_from(ref)[0]).record for ref in refs]

    def _show_links(
        self, host: HostConfig, links: Mapping[str, ContainerId], name: str
    ) -> HostConfig:
        """As inspect shows links: "/child:/parent/alias"."""
        if not links:
            return host
        names = {key: self._ports.catalogue.find(key).record.name for key in links.values()}
        shown = [f"/{names[key]}:/{name}/{alias}" for alias, key in links.items()]
        return structs.replace(host, links=shown)

    async def _fill_volumes(self, container_id: ContainerId, resolved: Sequence[Resolved]) -> None:
        """Copy what the image has at a mount point into its empty volume (behaviours 115)."""
        empty = await asyncio.to_thread(_empty_ones, [mount for mount in resolved if mount.copy])
        if not empty:
            return
        rootfs = await self._ports.snapshotter.mount(SnapshotKey(container_id), read_only=True)
        try:
            for mount in empty:
                await self._copy_up(rootfs, mount)
        finally:
            os.close(rootfs)

    async def _copy_up(self, rootfs: int, mount: Resolved) -> None:
        archiver = self._ports.archiver
        try:
            _, stream = await archiver.copy_out(
                Root(descriptor=rootfs), f"{mount.point.destination}/."
            )
        except (NotFound, InvalidArgument):
            return  # the image has no directory there
        volume = os.open(mount.point.source, os.O_RDONLY | os.O_DIRECTORY)
        try:
            await archiver.copy_in(Root(descriptor=volume), "/", stream)
        finally:
            os.close(volume)

    async def _take_back(self, container_id: ContainerId) -> None:
        ports = self._ports
        await ports.snapshotter.remove(SnapshotKey(container_id))
        aside = ports.directories.detach(container_id)
        if aside:
            await asyncio.to_thread(os.rmdir, aside)


@contextlib.contextmanager
def _asked_for_wrongly() -> Iterator[None]:
    """What else is not there makes a wrong request: for "not found" clients pull the image."""
    try:
        yield
    except NotFound as error:
        raise InvalidArgument(error.message) from None


def _empty_ones(mounts: list[Resolved]) -> list[Resolved]:
    return [mount for mount in mounts if not os.listdir(mount.point.source)]


def _warnings(spec: CreateSpec) -> list[str]:
    warnings = []
    if spec.host_config.network_mode == "host" and spec.host_config.port_bindings:
        warnings.append("Published ports are discarded when using host network mode")
    return warnings
