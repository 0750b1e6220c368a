"""Project quotas: a limit on what lies below a directory, where a file system counts by project.

A directory gets a project number, which everything made below it inherits, and the number gets a
limit. XFS mounted with `prjquota` can, and ext4 likewise.

Source: quotactl(2), FS_IOC_FSSETXATTR in ioctl_xfs_fsgetxattr(2), xfs_quota(8).
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import struct

_GET_ATTRIBUTES = 0x801C581F
_SET_ATTRIBUTES = 0x401C5820
_ATTRIBUTES = struct.Struct("=IIIII8x")
_INHERIT = 0x200

_SYS_QUOTACTL_FD = 443
_SET_QUOTA = 0x800008
_PROJECT = 2
_QUOTA = struct.Struct("=8QII")
_LIMITS_OF_BYTES = 1
_BLOCK = 1024

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


def limit_directory(path: str, project: int, size: int) -> None:
    """Give an empty directory a project of its own with a limit in bytes.

    Raises:
        OSError: ENOTSUP (or the kernel's word) where the file system does not count by project.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        attributes = bytearray(_ATTRIBUTES.size)
        fcntl.ioctl(fd, _GET_ATTRIBUTES, attributes)
        flags, extent, count, _, cow = _ATTRIBUTES.unpack(attributes)
        # The limit first: files of a project that has none are not counted against any.
        _set_limit(fd, project, size)
        fcntl.ioctl(
            fd, _SET_ATTRIBUTES, _ATTRIBUTES.pack(flags | _INHERIT, extent, count, project, cow)
        )
    finally:
        os.close(fd)


def project_of(path: str) -> int:
    """The project number of a directory; 0 for none, or where there are no projects."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        attributes = bytearray(_ATTRIBUTES.size)
        fcntl.ioctl(fd, _GET_ATTRIBUTES, attributes)
    except OSError:
        return 0
    finally:
        os.close(fd)
    return int(_ATTRIBUTES.unpack(attributes)[3])


def lift_limit(path: str, project: int) -> None:
    """A project needs its limit no more; where there is none, nothing happens."""
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _set_limit(fd, project, 0)
        finally:
            os.close(fd)


def _set_limit(fd: int, project: int, size: int) -> None:
    blocks = -(-size // _BLOCK)
    quota = _QUOTA.pack(blocks, blocks, 0, 0, 0, 0, 0, 0, _LIMITS_OF_BYTES, 0)
    _quotactl(fd, _SET_QUOTA, project, ctypes.create_string_buffer(quota, len(quota)))


def _quotactl(fd: int, command: int, project: int, buffer: ctypes.Array[ctypes.c_char]) -> None:
    result = _syscall(
        ctypes.c_long(_SYS_QUOTACTL_FD),
        ctypes.c_int(fd),
        ctypes.c_uint((command << 8 | _PROJECT) & 0xFFFFFFFF),
        ctypes.c_uint(project),
        buffer,
    )
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
