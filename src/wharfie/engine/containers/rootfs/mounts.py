"""Mounts of a container: grammar of binds, resolution, and what the runtime is told.

`parse` turns `Binds`, `Mounts`, `Tmpfs`, `VolumesFrom` and image volumes into wanted mounts,
one a destination; `MountResolver` makes volumes and host directories.

Source: behaviours 31–35, 45, 115–118.
"""

from __future__ import annotations

import asyncio
import os
import posixpath
from collections.abc import Sequence

from msgspec import UNSET, Struct, field, structs

from wharfie.engine.images import Images
from wharfie.engine.volumes import Volumes
from wharfie.model.container import BindOptions, Container, CreateSpec, MountPoint, MountSpec
from wharfie.model.errors import Internal, InvalidArgument, NotSupported

_PROPAGATIONS = {"private", "rprivate", "shared", "rshared", "slave", "rslave"}
MOUNTED = frozenset({"type", "o", "device"})
"""Options of a local volume whose data is not a plain directory."""
_MODES = {
    "access": ("ro", "rw"),
    "label": ("z", "Z"),
    "copy": ("nocopy",),
    "consistency": ("consistent", "cached", "delegated"),
}
_TMPFS_FLAGS = {
    "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync",
    "remount", "mand", "nomand", "atime", "noatime", "diratime", "nodiratime", "relatime",
    "norelatime", "strictatime", "nostrictatime", "defaults",
}  # fmt: skip
_TMPFS_VALUES = {"mode", "uid", "gid", "size", "nr_inodes", "nr_blocks", "mpol"}


class Wanted(Struct, frozen=True, kw_only=True):
    """One mount as asked for.

    Attributes:
        type: "bind", "volume", "tmpfs" or "image".
        source: host path, volume name ("" makes an anonymous volume), image, or "" for tmpfs.
        options: extra mount options (tmpfs: "size=64m"; bind: propagation).
        create: make a missing host directory.
        copy: fill an empty volume with what the image has there.
        spec: the whole of what a `--mount` said.
    """

    type: str
    source: str
    destination: str
    read_only: bool = False
    options: list[str] = field(default_factory=list)
    mode: str = ""
    create: bool = False
    copy: bool = False
    driver: str = ""
    driver_options: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    spec: MountSpec | None = None


class Resolved(Struct, frozen=True):
    """A mount point, whether its volume is anonymous, and whether to copy the image's files."""

    point: MountPoint
    spec: MountSpec | None = None
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
        read_only = parse_volumes_from(ref)[1] == "ro"
        for wanted in _of_container(container, read_only=read_only):
            chosen[wanted.destination] = wanted
    explicit: set[str] = set()
    driver = host.volume_driver
    given = [parse_bind(bind, driver=driver) for bind in host.binds or []]
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
                type="volume", source="", destination=destination, copy=True, driver=driver
            )
    return sorted(chosen.values(), key=lambda wanted: wanted.destination.count("/"))


def parse_volumes_from(text: str) -> tuple[str, str]:
    """Split "container[:mode]" into both; the mode is "rw" where none is given.

    Raises:
        InvalidArgument: nothing there, or an unknown mode.
    """
    if not text:
        raise InvalidArgument("volumes-from specification cannot be an empty string")
    name, colon, mode = text.partition(":")
    if colon and mode not in ("ro", "rw", "z", "Z"):
        raise InvalidArgument(f"invalid mode: {mode}")
    return name, mode or "rw"


def parse_bind(text: str, *, driver: str = "") -> Wanted:
    """Parse "src:dst[:modes]"; an absolute source is a host path, else a volume's name.

    Args:
        text: the bind.
        driver: of volumes, "" for the default.
    """
    invalid = InvalidArgument(f"invalid volume specification: '{text}'")
    parts = text.split(":")
    if not 1 < len(parts) <= 3 or not all(parts):
        raise invalid
    source, destination = parts[0], parts[1]
    modes = parts[2].split(",") if len(parts) == 3 else []
    is_bind = source.startswith("/")
    kinds = [_mode_kind(mode) for mode in modes]
    if "" in kinds or len(set(kinds)) < len(kinds) or ("propagation" in kinds and not is_bind):
        raise InvalidArgument(f"invalid mode: {parts[2]}")
    if is_bind:
        source = posixpath.normpath(source)
    return Wanted(
        type="bind" if is_bind else "volume",
        source=source,
        destination=clean_destination(destination, text),
        read_only="ro" in modes,
        options=[mode for mode in modes if mode in _PROPAGATIONS],
        mode=parts[2] if len(parts) == 3 else ("" if is_bind else "z"),
        create=is_bind,
        copy=not is_bind and "nocopy" not in modes,
        driver="" if is_bind else driver,
    )


def _mode_kind(mode: str) -> str:
    """What a mode is about, "" for none known; of each kind a bind has one at most."""
    if mode in _PROPAGATIONS:
        return "propagation"
    return next((kind for kind, known in _MODES.items() if mode in known), "")


def clean_destination(path: str, text: str) -> str:
    """A normalised absolute path inside the container that is not its root."""
    if not path.startswith("/"):
        raise InvalidArgument(
            f"invalid volume specification: '{text}': {_kind_prefix(text)}"
            f"invalid mount path: '{path}' mount path must be absolute"
        )
    cleaned = posixpath.normpath("/" + path.lstrip("/"))
    if cleaned == "/":
        raise InvalidArgument(
            f"invalid volume specification: '{text}': {_kind_prefix(text)}"
            "invalid specification: destination can't be '/'"
        )
    return cleaned


def _kind_prefix(text: str) -> str:
    kind = "bind" if text.startswith("/") else "volume"
    return f'invalid mount config for type "{kind}": '


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
            return _volume_of_spec(mount, destination, prefix)
        case "tmpfs":
            return _tmpfs_of_spec(mount, destination, prefix)
        case "image":
            return _image_of_spec(mount, destination, prefix)
        case "npipe" | "cluster":
            raise NotSupported(f"{prefix}not supported by this engine")
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
    if bind and bind.read_only_force_recursive:
        _check_force_recursive(mount, bind, prefix)
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
        spec=mount,
    )


def _check_force_recursive(mount: MountSpec, bind: BindOptions, prefix: str) -> None:
    """Source: moby's volume/mounts/linux_parser.go."""
    text = ""
    if not mount.read_only:
        text = "mount is not read-only, but ReadOnlyForceRecursive is set"
    elif bind.read_only_non_recursive:
        text = "ReadOnlyForceRecursive and ReadOnlyNonRecursive cannot both be set"
    elif bind.non_recursive:
        text = "ReadOnlyForceRecursive and NonRecursive cannot both be set"
    if text:
        raise InvalidArgument(f"{prefix}{text}")


def _volume_of_spec(mount: MountSpec, destination: str, prefix: str) -> Wanted:
    options = mount.volume_options
    driver = options.driver_config if options else None
    if options and options.subpath:
        if not mount.source:
            raise InvalidArgument(f"{prefix}must not set Subpath when using anonymous volumes")
        _check_subpath(options.subpath, prefix)
    return Wanted(
        type="volume",
        source=mount.source,
        destination=destination,
        read_only=mount.read_only,
        copy=not (options and (options.no_copy or options.subpath)),
        driver=driver.name if driver else "",
        driver_options=(driver.options if driver else None) or {},
        labels=(options.labels if options else None) or {},
        spec=mount,
    )


def _image_of_spec(mount: MountSpec, destination: str, prefix: str) -> Wanted:
    if not mount.source:
        raise InvalidArgument(f"{prefix}field Source must not be empty")
    if mount.image_options and mount.image_options.subpath:
        _check_subpath(mount.image_options.subpath, prefix)
    return Wanted(
        type="image", source=mount.source, destination=destination, read_only=True, spec=mount
    )


def _check_subpath(subpath: str, prefix: str) -> None:
    parts = posixpath.normpath(subpath).split("/")
    if subpath.startswith("/") or ".." in parts:
        raise InvalidArgument(f"{prefix}subpath must be a relative path within the volume")


def _tmpfs_of_spec(mount: MountSpec, destination: str, prefix: str) -> Wanted:
    if mount.source:
        raise InvalidArgument(f"{prefix}field Source must not be specified")
    tmpfs = mount.tmpfs_options
    options = []
    if tmpfs and tmpfs.size_bytes:
        options.append(f"size={tmpfs.size_bytes}")
    if tmpfs and tmpfs.mode:
        options.append(f"mode={tmpfs.mode:o}")
    options += ["=".join(words) for words in (tmpfs.options if tmpfs else None) or []]
    _check_tmpfs(options, prefix)
    return Wanted(
        type="tmpfs",
        source="",
        destination=destination,
        read_only=mount.read_only,
        options=options,
        spec=mount,
    )


def _check_tmpfs(options: Sequence[str], prefix: str) -> None:
    """Source: moby's mount.MergeTmpfsOptions; tmpfs(5)."""
    for option in options:
        key, sign, _ = option.partition("=")
        if (key not in _TMPFS_VALUES) if sign else (key not in _TMPFS_FLAGS):
            raise InvalidArgument(f'{prefix}Invalid tmpfs option "{option}"')


def _of_tmpfs(path: str, options: str) -> Wanted:
    words = [word for word in options.split(",") if word]
    _check_tmpfs(words, "")
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
            source=_inherited_source(point, container.mount_specs.get(point.destination)),
            destination=point.destination,
            read_only=read_only or not point.rw,
            options=_inherited_options(point),
            mode=point.mode if point.type != "tmpfs" else "",
            spec=container.mount_specs.get(point.destination),
        )
        for point in container.shown_mounts
    ]


def _inherited_source(point: MountPoint, spec: MountSpec | None) -> str:
    if point.type == "volume":
        return str(point.name)
    return spec.source if point.type == "image" and spec is not None else point.source


def _inherited_options(point: MountPoint) -> list[str]:
    if point.type == "tmpfs":
        return [word for word in point.mode.split(",") if word]
    return [point.propagation] if point.type == "bind" and point.propagation else []


class MountResolver:
    """Makes what mounts need on the host: volumes and missing directories."""

    def __init__(self, volumes: Volumes, images: Images) -> None:
        self._volumes = volumes
        self._images = images

    async def resolve(self, wanted: Wanted) -> Resolved:
        """Turn a wanted mount into a mount point."""
        match wanted.type:
            case "bind":
                return Resolved(await asyncio.to_thread(_resolve_bind, wanted), wanted.spec)
            case "volume":
                return await self._resolve_volume(wanted)
            case "image":
                return self._resolve_image(wanted)
            case _:
                point = MountPoint(
                    type="tmpfs",
                    destination=wanted.destination,
                    mode=",".join(wanted.options),
                    rw=not wanted.read_only,
                )
                return Resolved(point, wanted.spec)

    async def _resolve_volume(self, wanted: Wanted) -> Resolved:
        volume = await self._volumes.create(
            wanted.source,
            driver=wanted.driver,
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
            wanted.spec,
            anonymous=not wanted.source,
            copy=wanted.copy and volume.driver == "local" and not MOUNTED & volume.options.keys(),
        )

    def _resolve_image(self, wanted: Wanted) -> Resolved:
        image = self._images.get(wanted.source)
        spec = structs.replace(wanted.spec or MountSpec(type="image"), source=image.id)
        point = MountPoint(
            type="image",
            name=wanted.spec.source if wanted.spec else wanted.source,
            source=image.id,
            destination=wanted.destination,
            rw=False,
        )
        return Resolved(point, spec)


def make_source(path: str) -> None:
    """Make a missing host directory; Internal when that fails."""
    if os.path.lexists(path):
        return
    try:
        os.makedirs(path, mode=0o755, exist_ok=True)
    except OSError as error:
        raise Internal(
            f"error while creating mount source path '{path}': {error.strerror}"
        ) from error


def _resolve_bind(wanted: Wanted) -> MountPoint:
    if wanted.create:
        make_source(wanted.source)
    return MountPoint(
        type="bind",
        source=wanted.source,
        destination=wanted.destination,
        mode=wanted.mode,
        rw=not wanted.read_only,
        propagation=wanted.options[0] if wanted.options else "rprivate",
    )
