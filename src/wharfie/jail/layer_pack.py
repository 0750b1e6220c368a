"""Packing trees that are more than plain files: overlay layer directories, and whole roots."""

from __future__ import annotations

import errno
import os
import stat

from wharfie.formats.tar import Kind, encode_member
from wharfie.formats.tar.whiteout import OPAQUE, PREFIX, is_reserved
from wharfie.jail.errors import JobError, invalid, show
from wharfie.jail.pack import Packer, member_of
from wharfie.jail.protocol import Failure
from wharfie.jail.sink import Sink
from wharfie.jail.tree import is_whiteout
from wharfie.kernel import openat2
from wharfie.kernel.xattr import is_opaque

_NOT_SELF_CONTAINED = ("trusted.overlay.redirect", "trusted.overlay.metacopy")


class LayerPacker(Packer):
    """Packs an overlay layer directory: its whiteouts become `.wh.` members."""

    def add(self, above: int, name: bytes, path: bytes) -> int | None:
        """Add one file, or the whiteout it is."""
        status = os.stat(name, dir_fd=above, follow_symlinks=False)
        if is_whiteout(status):
            parent, slash, _ = path.rpartition(b"/")
            self.add_empty(parent + slash + PREFIX + name, status)
            return None
        if is_reserved(name):
            raise invalid(f"{show(path)}: names beginning with .wh. cannot be stored in a layer")
        return super().add(above, name, path)

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
