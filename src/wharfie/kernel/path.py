"""Opening paths below a directory nobody can escape from.

Containers write their own file systems: a path inside one may hold symlinks that point
anywhere. `openat2(2)` with RESOLVE_IN_ROOT makes the directory the root of the walk, so `..` and
absolute links end inside. Magic links (`/proc/<pid>/root` and the like) are refused.

Source: openat2(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import stat

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_IN_ROOT = 0x10
_NR_OPENAT2 = 437
"""The same on every architecture: openat2 came after the tables were unified."""
_EAGAIN_TRIES = 16

if platform.machine() == "alpha":  # pragma: no cover - the one table with an offset
    _NR_OPENAT2 += 110

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def open_in_root(root_fd: int, path: str, flags: int, mode: int = 0) -> int:
    """Open `path` as if `root_fd` were the root directory; always close-on-exec.

    Args:
        root_fd: descriptor of a directory, O_PATH is enough.
        path: absolute or relative, symlinks included; all of it is taken below the root.
        flags: as for open(2).
        mode: permission bits when `flags` create a file.

    Raises:
        OSError: as for open(2); ELOOP for a magic link or too many symlinks.
    """
    how = _OpenHow(flags | os.O_CLOEXEC, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    for _ in range(_EAGAIN_TRIES):
        fd = _syscall(
            ctypes.c_long(_NR_OPENAT2),
            ctypes.c_int(root_fd),
            ctypes.c_char_p(encoded),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if fd >= 0:
            return int(fd)
        number = ctypes.get_errno()
        # The kernel gives up with EAGAIN when something below is renamed during the walk.
        if number not in (errno.EAGAIN, errno.EINTR):
            raise OSError(number, os.strerror(number), path)
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)


def read_in_root(root_fd: int, path: str, *, limit: int) -> bytes | None:
    """Read a regular file below a root; None when there is none.

    Anything but a regular file counts as absent: opening a fifo or a device that a container put
    in the place of a file must neither block nor act.

    Args:
        root_fd: descriptor of the root directory.
        path: the file, as `open_in_root` takes it.
        limit: bytes read at most; the rest is ignored.
    """
    try:
        fd = open_in_root(root_fd, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
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
