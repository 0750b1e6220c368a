"""The end of a layer a step wrote: the runtime's own mount points go, times are cut, it is hashed.

The directory is packed as it will be packed ever after, but into a hash and nowhere else.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence

from wharfie.jail.layer_pack import LayerPacker
from wharfie.jail.protocol import FinishLayer
from wharfie.jail.sink import Sink
from wharfie.jail.tree import O_PATH_DIRECTORY, O_READ_DIRECTORY
from wharfie.kernel import openat2
from wharfie.kernel.xattr import is_opaque
from wharfie.model.build.files import MountPoint

_BUFFER = 1 << 18
_SECOND = 1_000_000_000


class HashSink(Sink):
    """Takes an archive and keeps its digest and length only."""

    def __init__(self) -> None:
        super().__init__(-1)
        self._state = hashlib.sha256()
        self._pending: list[bytes] = []
        self._waiting = 0
        self.length = 0
        self.size = 0
        """Bytes of files."""

    def write(self, data: bytes) -> None:
        """Add bytes."""
        self._pending.append(data)
        self._waiting += len(data)
        if self._waiting >= _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Hash what was collected."""
        self.length += self._waiting
        self._state.update(b"".join(self._pending))
        self._pending.clear()
        self._waiting = 0

    def copy(self, fd: int, size: int) -> None:
        """Add exactly `size` bytes of a file."""
        self.size += size
        left = size
        while left:
            data = os.read(fd, min(left, _BUFFER))
            if not data:
                self.write(bytes(left))
                return
            self.write(data)
            left -= len(data)

    def digest(self) -> str:
        """`sha256:<hex>` of everything."""
        self.flush()
        return f"sha256:{self._state.hexdigest()}"


def finish_layer(task: FinishLayer) -> HashSink:
    """Clean and hash the layer directory that is the root."""
    root = os.open("/", O_PATH_DIRECTORY)
    remove_mount_points(root, task.mount_points)
    if task.epoch is not None:
        cut_times(os.open("/", O_READ_DIRECTORY), task.epoch * _SECOND)
    sink = HashSink()
    packer = LayerPacker(sink)
    packer.add_contents(os.open("/", O_READ_DIRECTORY), b"")
    packer.finish()
    return sink


def remove_mount_points(root: int, points: Sequence[MountPoint]) -> None:
    """Remove what the runtime made to mount over, where it is still empty, deepest first.

    Directories above that were only copied up for that go as well: those that hold nothing and
    are as they were.
    """
    for point in sorted(points, key=lambda one: one.path.count("/"), reverse=True):
        above, _, name = os.fsencode(point.path).rpartition(b"/")
        if not name:
            continue
        try:
            parent = openat2.openat2(
                root,
                above.lstrip(b"/") or b".",
                O_PATH_DIRECTORY,
                openat2.RESOLVE_IN_ROOT | openat2.RESOLVE_NO_SYMLINKS,
            )
        except OSError:
            continue
        try:
            _remove_leftover(parent, name, point)
        finally:
            os.close(parent)


def _remove_leftover(parent: int, name: bytes, point: MountPoint) -> None:
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            then = (point.mode, point.uid, point.gid)
            now = (status.st_mode, status.st_uid, status.st_gid)
            if not point.mode or (then == now and not _is_opaque(parent, name)):
                os.rmdir(name, dir_fd=parent)
        elif stat.S_ISREG(status.st_mode) and not status.st_size and not point.mode:
            os.unlink(name, dir_fd=parent)
    except OSError:
        return  # the step made something of it: that is its own now


def _is_opaque(parent: int, name: bytes) -> bool:
    fd = os.open(name, O_READ_DIRECTORY, dir_fd=parent)
    try:
        return is_opaque(fd)
    finally:
        os.close(fd)


def cut_times(top: int, limit: int) -> None:
    """Set back every time after `limit` (nanoseconds) in a tree; closes the descriptor."""
    stack = [(top, os.listdir(top))]
    while stack:
        directory, names = stack[-1]
        if not names:
            _cut(directory, b".", limit)
            os.close(directory)
            stack.pop()
            continue
        name = os.fsencode(names.pop())
        if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            below = os.open(name, O_READ_DIRECTORY, dir_fd=directory)
            stack.append((below, os.listdir(below)))
        else:
            _cut(directory, name, limit)


def _cut(directory: int, name: bytes, limit: int) -> None:
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if status.st_mtime_ns > limit:
        os.utime(name, ns=(limit, limit), dir_fd=directory, follow_symlinks=False)
