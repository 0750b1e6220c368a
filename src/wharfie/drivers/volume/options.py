"""Options of the local volume driver, parsed: what is mounted where a volume is used. Pure.

    -o type=tmpfs -o o=size=64m,uid=1000 -o device=tmpfs      memory
    -o type=none  -o o=bind             -o device=/srv/data   a directory of the host
    -o type=nfs   -o o=addr=10.0.0.5,rw -o device=:/export    a share
    -o uid=1000 -o gid=1000 -o mode=0770                      owner of a plain volume's root
    -o size=10g                                               most bytes of a plain volume

Source: `docker volume create`, "Driver-specific options"; mount(8) for the words of `o`.
"""

from __future__ import annotations

from msgspec import Struct, field

from wharfie.formats.units import parse_size
from wharfie.kernel import mounts
from wharfie.model.errors import InvalidArgument

_MOUNT = ("type", "o", "device")
_OWNER = ("uid", "gid", "mode")
_BIND_WORDS = ("bind", "rbind")
_IGNORED = frozenset({"rw", "defaults", "async", "suid", "dev", "exec", "atime", "diratime"})
_ATTRIBUTES = {
    "ro": mounts.MOUNT_ATTR_RDONLY,
    "nosuid": mounts.MOUNT_ATTR_NOSUID,
    "nodev": mounts.MOUNT_ATTR_NODEV,
    "noexec": mounts.MOUNT_ATTR_NOEXEC,
    "noatime": mounts.MOUNT_ATTR_NOATIME,
    "nodiratime": mounts.MOUNT_ATTR_NODIRATIME,
    "relatime": 0,
}


class Owner(Struct, frozen=True):
    """Owner and mode of a new volume's root; None leaves root's, and 0755."""

    uid: int | None = None
    gid: int | None = None
    mode: int | None = None


class MountOptions(Struct, frozen=True, kw_only=True):
    """What is mounted.

    Attributes:
        type: a file system, "bind" for a directory of the host.
        device: its source.
        recursive: with mounts below a bound directory.
        attributes: MOUNT_ATTR_* bits.
        words: options of the file system, "key" or "key=value".
    """

    type: str
    device: str
    recursive: bool = False
    attributes: int = 0
    words: list[str] = field(default_factory=list)


def check_options(options: dict[str, str]) -> None:
    """Refuse what no local volume has.

    Raises:
        InvalidArgument: with Docker's words.
    """
    for key in options:
        if key not in (*_MOUNT, *_OWNER, "size"):
            raise InvalidArgument(f'invalid option: "{key}"')
    parse_owner(options)
    if parse_mount(options) is not None and parse_limit(options):
        raise InvalidArgument(
            "a size limits a volume's own directory: with type, o and device give it to the file "
            "system in o (o=size=64m of tmpfs)"
        )


def parse_limit(options: dict[str, str]) -> int:
    """Most bytes a plain volume may hold, 0 for no limit."""
    text = options.get("size", "")
    try:
        return parse_size(text) if text else 0
    except ValueError as error:
        raise InvalidArgument(str(error)) from None


def parse_owner(options: dict[str, str]) -> Owner:
    """Owner and mode of the root."""
    return Owner(_number(options, "uid", 10), _number(options, "gid", 10), _mode(options))


def parse_mount(options: dict[str, str]) -> MountOptions | None:
    """What is mounted; None for a plain directory."""
    if not any(key in options for key in _MOUNT):
        return None
    kind, device = options.get("type", ""), options.get("device", "")
    words = [word.strip() for word in options.get("o", "").split(",") if word.strip()]
    is_bind = any(word in _BIND_WORDS for word in words)
    if not device:
        raise InvalidArgument('missing required option: "device"')
    if not kind and not is_bind:
        raise InvalidArgument('missing required option: "type"')
    if is_bind or kind in _BIND_WORDS:
        if not device.startswith("/"):
            raise InvalidArgument(f"invalid device {device!r}: a bound directory is absolute")
        kind = "bind"
    rest = [word for word in words if word not in _BIND_WORDS and word not in _IGNORED]
    return MountOptions(
        type=kind,
        device=device,
        recursive="rbind" in words,
        attributes=sum(_ATTRIBUTES.get(word, 0) for word in dict.fromkeys(rest)),
        words=[word for word in rest if word not in _ATTRIBUTES],
    )


def _number(options: dict[str, str], key: str, base: int) -> int | None:
    value = options.get(key)
    if value is None:
        return None
    digits = "01234567" if base == 8 else "0123456789"
    if not value or len(value) > 10 or value.strip(digits):
        raise InvalidArgument(f"invalid value for {key}: {value!r}")
    return int(value, base)


def _mode(options: dict[str, str]) -> int | None:
    mode = _number(options, "mode", 8)
    if mode is not None and mode > 0o7777:
        raise InvalidArgument(f"invalid value for mode: {options['mode']!r}")
    return mode
