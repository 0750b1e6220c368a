"""Packing trees that are more than plain files: overlay layer directories, and whole roots."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence

from wharfie.formats.tar import Kind, encode_member
from wharfie.formats.tar.whiteout import OPAQUE, PREFIX, is_reserved
from wharfie.jail.errors import JobError, invalid, show
from wharfie.jail.pack import Packer, member_of
from wharfie.jail.protocol import Failure
from wharfie.jail.sink import Sink
from wharfie.jail.tree import O_READ_DIRECTORY, is_whiteout
from wharfie.kernel import openat2
from wharfie.kernel.xattr import is_opaque

_NOT_SELF_CONTAINED = ("trusted.overlay.redirect", "trusted.overlay.metacopy")


class LayerPacker(Packer):
    """Packs an overlay layer directory: its whiteouts become `.wh.` members.

    Args:
        sink: where to.
        leave_out: absolute paths that are not packed, directories only where they are empty.
    """

    def __init__(self, sink: Sink, leave_out: Sequence[str] = ()) -> None:
        super().__init__(sink)
        self._left_out = frozenset(os.fsencode(path).strip(b"/") for path in leave_out)
        self._above_left_out = {parent for path in self._left_out for parent in _parents(path)}

    def add(self, above: int, name: bytes, path: bytes) -> int | None:
        """Add one file, or the whiteout it is."""
        status = os.stat(name, dir_fd=above, follow_symlinks=False)
        if self._is_left_out(above, name, path, status):
            return None
        if is_whiteout(status):
            parent, slash, _ = path.rpartition(b"/")
            self.add_empty(parent + slash + PREFIX + name, status)
            return None
        if is_reserved(name):
            raise invalid(f"{show(path)}: names beginning with .wh. cannot be stored in a layer")
        return super().add(above, name, path)

    def _is_left_out(self, above: int, name: bytes, path: bytes, status: os.stat_result) -> bool:
        if not stat.S_ISDIR(status.st_mode):
            return path in self._left_out and stat.S_ISREG(status.st_mode)
        if path not in self._left_out and path not in self._above_left_out:
            return False
        if path not in self._left_out and not _is_plain(status):
            return False  # somebody changed the directory itself
        fd = os.open(name, O_READ_DIRECTORY, dir_fd=above)
        try:
            inside = [path + b"/" + os.fsencode(one) for one in os.listdir(fd)]
            return not is_opaque(fd) and self._left_out.issuperset(inside)
        finally:
            os.close(fd)

    def add_directory(self, fd: int, path: bytes) -> int | None:
        """Add a directory, and its opaque marker."""
        self.check_attributes(fd, path)
        super().add_directory(fd, path)
        if is_opaque(fd):
            self.add_empty(path + b"/" + OPAQUE, os.fstat(fd))
        return fd

    def check_attributes(self, fd: int, path: bytes) -> None:
        """Refuse what makes sense only on top of the layers below it."""
        for name in os.listxattr(fd):
            if name in _NOT_SELF_CONTAINED:
                text = f"{show(path)}: the layer was written with overlay's {name}"
                raise JobError(Failure.INTERNAL, text)


def _parents(path: bytes) -> list[bytes]:
    parts = path.split(b"/")
    return [b"/".join(parts[:n]) for n in range(1, len(parts))]


def _is_plain(status: os.stat_result) -> bool:
    """Tell whether a directory is as the runtime makes those it needs."""
    return (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o755, 0, 0)


class TreePacker(Packer):
    """Packs a root; of what is mounted in it only the mount points."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(sink)
        self._sink = sink

    def add(self, above: int, name: bytes, path: bytes) -> int | None:
        """Add one file, unless it is a mount point: that is added empty."""
        if is_mount_point(above, name):
            status = os.stat(name, dir_fd=above, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                self._sink.write(encode_member(member_of(path + b"/", Kind.DIRECTORY, status)))
            else:
                self.add_empty(path, status)
            return None
        return super().add(above, name, path)


def is_mount_point(directory: int, name: bytes) -> bool:
    """Tell whether something is mounted on a name of an open directory."""
    flags = os.O_PATH | os.O_NOFOLLOW
    try:
        fd = openat2.openat2(directory, name, flags, openat2.RESOLVE_NO_XDEV)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return True
        raise
    os.close(fd)
    return False
