"""openat2(2): opening paths that may not lead out of a directory.

The kernel walks the path itself, so nobody can swap a component between a check and its use.

Source: openat2(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from typing import Final

RESOLVE_NO_XDEV: Final = 0x01
RESOLVE_NO_MAGICLINKS: Final = 0x02
RESOLVE_NO_SYMLINKS: Final = 0x04
RESOLVE_BENEATH: Final = 0x08
RESOLVE_IN_ROOT: Final = 0x10

_SYS_OPENAT2 = 437
_RETRIES = 64

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def openat2(directory: int, path: str | bytes, flags: int, resolve: int, mode: int = 0) -> int:
    """Open `path` relative to `directory`; the caller closes the descriptor.

    Args:
        directory: descriptor the path starts from; the root of it with RESOLVE_IN_ROOT.
        path: "" is not allowed; "." is the directory itself.
        flags: O_*; O_CLOEXEC is added.
        resolve: RESOLVE_*.
        mode: permissions of a file made with O_CREAT.

    Raises:
        OSError: EXDEV for a path that leads out or crosses a mount, ELOOP for a refused symlink.
    """
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), os.fsdecode(path))
    name = ctypes.c_char_p(encoded)
    for _ in range(_RETRIES):
        fd = int(
            _syscall(
                ctypes.c_long(_SYS_OPENAT2),
                ctypes.c_int(directory),
                name,
                ctypes.byref(how),
                ctypes.c_size_t(ctypes.sizeof(how)),
            )
        )
        if fd >= 0:
            return fd
        number = ctypes.get_errno()
        if number not in {errno.EAGAIN, errno.EINTR}:  # EAGAIN: a rename raced with "..", retry
            raise OSError(number, os.strerror(number), os.fsdecode(path))
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), os.fsdecode(path))


def open_in_root(root: int, path: str | bytes, flags: int, mode: int = 0) -> int:
    """Open a path as if `root` were "/": absolute symlinks and ".." stay inside.

    Magic links (`/proc/<pid>/root` and the like) are refused with ELOOP.
    """
    return openat2(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS, mode)


def read_in_root(root: int, path: str, *, limit: int) -> bytes | None:
    """Read a regular file below a root; None when there is none.

    Anything but a regular file counts as absent: opening a fifo or a device that a container put
    in the place of a file must neither block nor act.

    Args:
        root: descriptor of the root directory.
        path: the file, as `open_in_root` takes it.
        limit: bytes read at most; the rest is ignored.
    """
    try:
        fd = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ENODEV):
            return None
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        with open(fd, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(fd)
