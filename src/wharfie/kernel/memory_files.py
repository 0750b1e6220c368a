"""A file system of memory that nobody sees but by descriptor: gone with it, on no disk.

Source: fsopen(2), tmpfs(5).
"""

from __future__ import annotations

import os
from contextlib import suppress

from wharfie.kernel import mounts


def make_memory_directory(size: int) -> int:
    """The root of a detached tmpfs; the caller closes the descriptor.

    It is kept out of swap where the kernel can (Linux 6.4).

    Args:
        size: bytes it may hold.
    """
    for options in (("noswap",), ()):
        context = mounts.fsopen("tmpfs")
        try:
            mounts.fsconfig_string(context, "size", str(size))
            mounts.fsconfig_string(context, "mode", "0755")
            with suppress(OSError):
                for option in options:
                    mounts.fsconfig_flag(context, option)
            try:
                mounts.fsconfig_create(context)
            except OSError:
                if options:
                    continue
                raise
            attributes = mounts.MOUNT_ATTR_NOSUID | mounts.MOUNT_ATTR_NODEV
            return mounts.fsmount(context, attributes)
        finally:
            os.close(context)
    raise AssertionError  # the last turn returned or raised


def write_memory_file(
    directory: int, name: str, data: bytes, *, mode: int, owner: tuple[int, int]
) -> None:
    """Write a file into such a directory."""
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=directory)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fchown(fd, *owner)
        os.fchmod(fd, mode)
    finally:
        os.close(fd)
