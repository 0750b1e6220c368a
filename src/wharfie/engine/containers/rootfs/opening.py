"""A container's mount points in the OCI runtime's words, at every start.

What a path could not name safely or at all is opened here and mounted by descriptor: a subpath of
a volume, an image, the shared memory of another container, a bind that shares mount events.

Source: behaviours 115-118, 186, 192, 193; moby's daemon/oci_linux.go, `WithMounts`.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Mapping, Sequence

from msgspec import Struct, structs

from wharfie.engine.containers.rootfs.mounts import make_source
from wharfie.engine.containers.sharing import SHARED_MEMORY
from wharfie.engine.images import Images
from wharfie.model.container import Container, MountPoint, MountSpec
from wharfie.model.errors import InvalidArgument, NotFound
from wharfie.model.runtime import BundleMount, MountTrees
from wharfie.model.snapshot import Snapshotter
from wharfie.model.volume import VolumeMount

_TMPFS_DEFAULTS = ("noexec", "nosuid", "nodev")
_SHARED = ("shared", "rshared")
_SLAVE = ("slave", "rslave")


class MountPorts(Struct, frozen=True):
    """What opening mounts needs."""

    trees: MountTrees
    images: Images
    snapshotter: Snapshotter


class MountOpener:
    """Opens mounts; whoever calls closes them by `close_mounts`."""

    def __init__(self, ports: MountPorts) -> None:
        self._ports = ports

    async def open(
        self,
        record: Container,
        donor: Container | None,
        volumes: Mapping[str, VolumeMount],
        *,
        remapped: bool = False,
    ) -> list[BundleMount]:
        """The mounts of a container, sorted by depth.

        Args:
            record: whose.
            donor: the container whose shared memory it joins.
            volumes: its volumes as they were made ready, by destination; they stay the caller's.
            remapped: it runs in the engine's user namespace.

        Raises:
            InvalidArgument, NotFound, Internal: a source is gone, or not fit for what is asked.
        """
        opened: list[BundleMount] = []
        try:
            for point in sorted(record.mounts, key=lambda p: p.destination.count("/")):
                mount = bundle_mount(point, record.mount_specs.get(point.destination))
                opened.append(mount)
                ready = volumes.get(point.destination)
                if ready is None:
                    opened[-1] = await self._by_descriptor(mount, point, record, remapped=remapped)
                elif remapped:
                    opened[-1] = await self._remapped_volume(mount, ready)
                else:
                    opened[-1] = _of_volume(mount, ready)
                opened[-1] = _flat_if_file(opened[-1])
            if donor is not None and all(m.destination != SHARED_MEMORY for m in opened):
                opened.append(await self._shared_memory(donor))
        except BaseException:
            close_mounts(opened)
            raise
        return opened

    async def _by_descriptor(
        self, mount: BundleMount, point: MountPoint, record: Container, *, remapped: bool
    ) -> BundleMount:
        spec = record.mount_specs.get(point.destination)
        if point.type == "image" and spec is not None:
            return _with_tree(mount, await self._image(spec, remapped=remapped))
        if point.type == "bind":
            if point.propagation in (*_SHARED, *_SLAVE):
                await self._check_propagation(point)
            # By descriptor, for the supervisor's view of the host's mounts may be another.
            return _with_tree(mount, await self._bind(mount, spec))
        return mount

    async def _remapped_volume(self, mount: BundleMount, ready: VolumeMount) -> BundleMount:
        """A volume's files belong to the IDs that containers see; see `model.remapping`."""
        root = ready.source if ready.descriptor is None else ready.descriptor
        tree = await self._ports.trees.below(root, recursive=False, remapped=True)
        access = structs.replace(ready, descriptor=None)
        return _with_tree(_of_volume(mount, access), tree)

    async def _bind(self, mount: BundleMount, spec: MountSpec | None) -> int:
        recursive = mount.options[0] == "rbind"
        try:
            return await self._ports.trees.below(mount.source, recursive=recursive)
        except NotFound:
            options = spec.bind_options if spec else None
            if spec is not None and not (options and options.create_mountpoint):
                raise InvalidArgument(
                    'invalid mount config for type "bind": bind source path does not exist: '
                    f"{mount.source}"
                ) from None
        await asyncio.to_thread(make_source, mount.source)
        return await self._ports.trees.below(mount.source, recursive=recursive)

    async def _image(self, spec: MountSpec, *, remapped: bool) -> int:
        image = self._ports.images.get(spec.source)
        if image.top is None:
            raise InvalidArgument(f"image {spec.source} has no files to mount")
        view = await self._ports.snapshotter.view(image.top, remapped=remapped)
        subpath = spec.image_options.subpath if spec.image_options else ""
        if not subpath:
            return view
        try:
            return await self._ports.trees.below(view, subpath)
        finally:
            os.close(view)

    async def _check_propagation(self, point: MountPoint) -> None:
        mounted, kind = await self._ports.trees.propagation(point.source)
        if point.propagation in _SHARED and kind != "shared":
            raise InvalidArgument(
                f"path {point.source} is mounted on {mounted} but it is not a shared mount"
            )
        if kind == "private":
            raise InvalidArgument(
                f"path {point.source} is mounted on {mounted} but it is not a shared or slave mount"
            )

    async def _shared_memory(self, donor: Container) -> BundleMount:
        return BundleMount(
            type="bind",
            source="",
            destination=SHARED_MEMORY,
            options=["rbind", "rprivate"],
            tree=await self._ports.trees.of_process(donor.state.pid, SHARED_MEMORY),
        )


def bundle_mount(point: MountPoint, spec: MountSpec | None) -> BundleMount:
    """One mount point in OCI words; what needs a descriptor has none yet."""
    if point.type == "tmpfs":
        access = "rw" if point.rw else "ro"
        wanted = list(filter(None, point.mode.split(",")))
        defaults = [word for word in _TMPFS_DEFAULTS if word.removeprefix("no") not in wanted]
        options = [*defaults, access, *wanted]
        place = point.destination
        return BundleMount(type="tmpfs", source="tmpfs", destination=place, options=options)
    bind = spec.bind_options if spec else None
    depth = "bind" if bind and bind.non_recursive else "rbind"
    plain = bind is not None and (bind.non_recursive or bind.read_only_non_recursive)
    access = "rw" if point.rw else ("ro" if plain else "rro")
    return BundleMount(
        type="bind",
        source=point.source,
        destination=point.destination,
        options=[depth, access, point.propagation or "rprivate"],
    )


def _with_tree(mount: BundleMount, tree: int) -> BundleMount:
    """The mount by descriptor. A file has nothing below it, and runtimes refuse it "rro"."""
    options = mount.options
    if not stat.S_ISDIR(os.fstat(tree).st_mode):
        options = ["ro" if word == "rro" else word for word in options]
    return structs.replace(mount, options=options, tree=tree)


def _of_volume(mount: BundleMount, ready: VolumeMount) -> BundleMount:
    """A volume's mount from where its driver made it ready."""
    options = mount.options
    if ready.read_only:
        options = ["rro" if word == "rw" else word for word in options]
    mount = structs.replace(mount, source=ready.source, options=options)
    if ready.descriptor is None:
        return mount
    return _with_tree(mount, os.dup(ready.descriptor))


def _flat_if_file(mount: BundleMount) -> BundleMount:
    """A file has nothing below it; crun 1.8 takes "rro" for directories only."""
    if mount.tree < 0 or "rro" not in mount.options or stat.S_ISDIR(os.fstat(mount.tree).st_mode):
        return mount
    options = ["ro" if word == "rro" else word for word in mount.options]
    return structs.replace(mount, options=options)


def close_mounts(opened: Sequence[BundleMount]) -> None:
    """Close the descriptors of mounts that are attached, or never will be."""
    for mount in opened:
        if mount.tree >= 0:
            os.close(mount.tree)
