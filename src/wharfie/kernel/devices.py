"""Device nodes of this host.

Source: mknod(2), stat(2); the directories left out are those moby leaves out for a privileged
container: they hold what every container gets of its own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

_OWN_DIRECTORIES = frozenset(
    {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "dm-user"}
)
_CONSOLE = "console"
_MAX_DEPTH = 16


class DeviceNode(NamedTuple):
    """A device node; type "c" or "b", mode as permission bits."""

    path: str
    type: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int


class NotADevice(OSError):
    """A path that is something else."""


def device_at(path: str) -> DeviceNode:
    """The device a path names, symlinks followed.

    Raises:
        NotADevice: something else is there.
        OSError: nothing is there.
    """
    return _node(path, os.stat(path))


def devices_below(directory: str) -> Iterator[DeviceNode]:
    """All devices below a directory such as /dev, except those each container has of its own.

    Symlinks are not followed; what vanishes during the walk is left out.
    """
    yield from _walk(directory, 0)


def device_number(path: str) -> tuple[int, int]:
    """Major and minor number of the device node at `path`."""
    node = device_at(path)
    return node.major, node.minor


def _walk(directory: str, depth: int) -> Iterator[DeviceNode]:
    try:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
    except OSError:
        if depth:
            return
        raise
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in _OWN_DIRECTORIES and depth < _MAX_DEPTH:
                    yield from _walk(entry.path, depth + 1)
            elif entry.name != _CONSOLE:
                yield _node(entry.path, entry.stat(follow_symlinks=False))
        except (NotADevice, FileNotFoundError):
            continue


def _node(path: str, status: os.stat_result) -> DeviceNode:
    if stat.S_ISCHR(status.st_mode):
        kind = "c"
    elif stat.S_ISBLK(status.st_mode):
        kind = "b"
    else:
        raise NotADevice(f"not a device node: {path}")
    return DeviceNode(
        path,
        kind,
        os.major(status.st_rdev),
        os.minor(status.st_rdev),
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
    )
