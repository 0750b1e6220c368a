"""Mounts of a container: grammar of binds, resolution, and what the runtime is told.

`parse` turns `Binds`, `Mounts`, `Tmpfs`, `VolumesFrom` and image volumes into wanted mounts,
one a destination; `MountResolver` makes volumes and host directories; `bundle_mounts` says it
in OCI words. Source: behaviours 31–35, 45, 115–118.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping, Sequence

from msgspec import UNSET, Struct, field

from wharfie.engine.volumes import Volumes
from wharfie.model.container import Container, CreateSpec, MountPoint, MountSpec
from wharfie.model.errors import Internal, InvalidArgument, NotSupported
from wharfie.model.runtime import BundleMount
from wharfie.model.volume import VolumeMount

_PROPAGATIONS = {"private", "rprivate", "shared", "rshared", "slave", "rslave"}
MOUNTED = frozenset({"type", "o", "device"})
"""Options of a local volume whose data is not a plain directory."""
_IGNORED = {"z", "Z", "consistent", "cached", "delegated"}


class Wanted(Struct, frozen=True, kw_only=True):
    """One mount as asked for.

    Attributes:
        type: "bind", "volume" or "tmpfs".
        source: host path, volume name ("" makes an anonymous volume), or "" for tmpfs.
        options: extra mount options (tmpfs: "size=64m"; bind: propagation).
        create: make a missing host directory.
        copy: fill an empty volume with what the image has there.
    """

    type: str
    source: str
    destination: str
    read_only: bool = False
    options: list[str] = field(default_factory=list)
    mode: str = ""
    create: bool = False
    copy: bool = False
    subpath: str = ""
    recursive: bool = True
    driver: str = ""
    driver_options: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)


class Resolved(Struct, frozen=True):
    """A mount point, whether its volume is anonymous, and whether to copy the image's files."""

    point: MountPoint
    anonymous: bool = False
    copy: bool = False


def parse(spec: CreateSpec, inherited: Sequence[Container]) -> list[Wanted]:
    """All mounts a create request asks for, sorted by depth of destination.

    Args:
        spec: the request, the image's config merged.
        inherited: containers named by `VolumesFrom`, in order.

    Raises:
        InvalidArgument: grammar errors and duplicate destinations, in Docker's words.
    """
    host = spec.host_config
    chosen: dict[str, Wanted] = {}
    for ref, container in zip(host.volumes_from or [], inherited, strict=True):
        for wanted in _of_container(container, read_only=ref.endswith(":ro")):
            chosen[wanted.destination] = wanted
    explicit: set[str] = set()
    given = [parse_bind(bind) for bind in host.binds or []]
    if host.mounts is not UNSET:
        given += [_of_spec(mount) for mount in host.mounts]
    if host.tmpfs is not UNSET:
        given += [_of_tmpfs(path, options) for path, options in host.tmpfs.items()]
    for wanted in given:
        if wanted.destination in explicit:
            raise InvalidArgument(f"Duplicate mount point: {wanted.destination}")
        explicit.add(wanted.destination)
        chosen[wanted.destination] = wanted
    for path in spec.config.volumes or {}:
        destination = clean_destination(path, path)
        if destination not in chosen:
            chosen[destination] = Wanted(
                type="volume", source="", destination=destination, copy=True
            )
    return sorted(chosen.values(), key=lambda wanted: wanted.destination.count("/"))


def parse_bind(text: str) -> Wanted:
    """Parse "src:dst[:modes]"; an absolute source is a host path, else a volume's name."""
    invalid = InvalidArgument(f"invalid volume specification: '{text}'")
    parts = text.split(":")
    if not 1 < len(parts) <= 3 or not all(parts):
        raise invalid
    source, destination = parts[0], parts[1]
    modes = parts[2].split(",") if len(parts) == 3 else []
    if not destination.startswith("/"):
        raise invalid
    read_only, copy, options = False, True, list[str]()
    for mode in modes:
        if mode == "ro":
            read_only = True
        elif mode == "nocopy":
            copy = False
        elif mode in _PROPAGATIONS:
            options.append(mode)
        elif mode not in _IGNORED and mode != "rw":
            raise InvalidArgument(f"invalid mode: {parts[2]}")
    is_bind = source.startswith("/")
    if is_bind:
        source = posixpath.normpath(source)
    elif options:
        raise InvalidArgument(f"invalid mode: {parts[2]}")
    return Wanted(
        type="bind" if is_bind else "volume",
        source=source,
        destination=clean_destination(destination, text),
        read_only=read_only,
        options=options,
        mode=parts[2] if len(parts) == 3 else ("" if is_bind else "z"),
        create=is_bind,
        copy=copy and not is_bind,
    )


def clean_destination(path: str, text: str) -> str:
    """A normalised absolute path inside the container that is not its root."""
    if not path.startswith("/"):
        raise InvalidArgument(
            f"invalid volume specification: '{text}': "
            f"invalid mount path: '{path}' mount path must be absolute"
        )
    cleaned = posixpath.normpath("/" + path.lstrip("/"))
    if cleaned == "/":
        raise InvalidArgument(
            f"invalid volume specification: '{text}': "
            "invalid specification: destination can't be '/'"
        )
    return cleaned


def _of_spec(mount: MountSpec) -> Wanted:
    prefix = f'invalid mount config for type "{mount.type}": '
    if not mount.target:
        raise InvalidArgument(f"{prefix}field Target must not be empty")
    if not mount.target.startswith("/"):
        raise InvalidArgument(
            f"{prefix}invalid mount path: '{mount.target}' mount path must be absolute"
        )
    destination = posixpath.normpath(mount.target)
    if destination == "/":
        raise InvalidArgument(f"{prefix}invalid specification: destination can't be '/'")
    match mount.type:
        case "bind":
            return _bind_of_spec(mount, destination, prefix)
        case "volume":
            return _volume_of_spec(mount, destination)
        case "tmpfs":
            return _tmpfs_of_spec(mount, destination, prefix)
        case "image" | "npipe" | "cluster":
            raise NotSupported(f"{prefix}not supported by this engine yet")
        case _:
            raise InvalidArgument(f"{prefix}mount type unknown")


def _bind_of_spec(mount: MountSpec, destination: str, prefix: str) -> Wanted:
    if not mount.source:
        raise InvalidArgument(f"{prefix}field Source must not be empty")
    if not mount.source.startswith("/"):
        raise InvalidArgument(
            f"{prefix}invalid mount path: '{mount.source}' mount path must be absolute"
        )
    bind = mount.bind_options
    propagation = bind.propagation if bind else ""
    if propagation and propagation not in _PROPAGATIONS:
        raise InvalidArgument(f"{prefix}invalid propagation mode: {propagation}")
    create = bool(bind and bind.create_mountpoint)
    source = posixpath.normpath(mount.source)
    if not create and not os.path.lexists(source):
        raise InvalidArgument(f"{prefix}bind source path does not exist: {mount.source}")
    return Wanted(
        type="bind",
        source=source,
        destination=destination,
        read_only=mount.read_only,
        options=[propagation] if propagation else [],
        create=create,
        recursive=not (bind and bind.non_recursive),
    )


def _volume_of_spec(mount: MountSpec, destination: str) -> Wanted:
    options = mount.volume_options
    driver = options.driver_config if options else None
    return Wanted(
        type="volume",
        source=mount.source,
        destination=destination,
        read_only=mount.read_only,
        copy=not (options and (options.no_copy or options.subpath)),
        subpath=options.subpath if options else "",
        driver=driver.name if driver else "",
        driver_options=(driver.options if driver else None) or {},
        labels=(options.labels if options else None) or {},
    )


def _tmpfs_of_spec(mount: MountSpec, destination: str, prefix: str) -> Wanted:
    if mount.source:
        raise InvalidArgument(f"{prefix}field Source must not be specified")
    tmpfs = mount.tmpfs_options
    options = []
    if tmpfs and tmpfs.size_bytes:
        options.append(f"size={tmpfs.size_bytes}")
    if tmpfs and tmpfs.mode:
        options.append(f"mode={tmpfs.mode:o}")
    return Wanted(
        type="tmpfs",
        source="",
        destination=destination,
        read_only=mount.read_only,
        options=options,
    )


def _of_tmpfs(path: str, options: str) -> Wanted:
    words = [word for word in options.split(",") if word]
    return Wanted(
        type="tmpfs",
        source="",
        destination=clean_destination(path, path),
        read_only="ro" in words,
        options=[word for word in words if word not in ("ro", "rw")],
    )


def _of_container(container: Container, *, read_only: bool) -> list[Wanted]:
    return [
        Wanted(
            type=point.type,
            source=point.source if point.type == "bind" else str(point.name),
            destination=point.destination,
            read_only=read_only or not point.rw,
            options=[point.propagation] if point.type == "bind" and point.propagation else [],
        )
        for point in container.mounts
        if point.type in ("bind", "volume")
    ]


class MountResolver:
    """Makes what mounts need on the host: volumes and missing directories."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    async def resolve(self, wanted: Wanted) -> Resolved:
        """Turn a wanted mount into a mount point."""
        match wanted.type:
            case "bind":
                return Resolved(_resolve_bind(wanted))
            case "volume":
                return await self._resolve_volume(wanted)
            case _:
                return Resolved(
                    MountPoint(
                        type="tmpfs",
                        destination=wanted.destination,
                        mode=",".join(wanted.options),
                        rw=not wanted.read_only,
                    )
                )

    async def _resolve_volume(self, wanted: Wanted) -> Resolved:
        volume = await self._volumes.create(
            wanted.source,
            driver=wanted.driver or "local",
            options=wanted.driver_options,
            labels=wanted.labels,
        )
        return Resolved(
            MountPoint(
                type="volume",
                name=volume.name,
                source=volume.mountpoint,
                destination=wanted.destination,
                driver=volume.driver,
                mode=wanted.mode or "z",
                rw=not wanted.read_only,
            ),
            anonymous=not wanted.source,
            copy=wanted.copy and volume.driver == "local" and not MOUNTED & volume.options.keys(),
        )


def _resolve_bind(wanted: Wanted) -> MountPoint:
    if wanted.create and not os.path.lexists(wanted.source):
        try:
            os.makedirs(wanted.source, mode=0o755)
        except OSError as error:
            raise Internal(
                f"error while creating mount source path '{wanted.source}': {error.strerror}"
            ) from error
    return MountPoint(
        type="bind",
        source=wanted.source,
        destination=wanted.destination,
        mode=wanted.mode,
        rw=not wanted.read_only,
        propagation=wanted.options[0] if wanted.options else "rprivate",
    )


def bundle_mounts(
    points: Sequence[MountPoint], attached: Mapping[str, VolumeMount]
) -> list[BundleMount]:
    """Mount points in the OCI runtime's words, sorted by depth.

    Args:
        points: of the container.
        attached: its volumes as they were made ready, by destination.
    """
    mounts = []
    for point in sorted(points, key=lambda p: p.destination.count("/")):
        ready = attached.get(point.destination) or VolumeMount(point.source)
        mode = "rw" if point.rw and not ready.read_only else "ro"
        if point.type == "tmpfs":
            options = ["noexec", "nosuid", "nodev", mode, *filter(None, point.mode.split(","))]
        else:
            propagation = point.propagation or "rprivate"
            options = ["rbind", mode, propagation]
        mounts.append(
            BundleMount(
                type="tmpfs" if point.type == "tmpfs" else "bind",
                source=ready.source,
                destination=point.destination,
                options=options,
                descriptor=ready.descriptor,
            )
        )
    return mounts
