"""Mounts and namespaces: the mount system calls, old and new, as functions.

Every function raises OSError with the kernel's errno and the path concerned. The calls release
the GIL. The new calls have the same numbers on every architecture (430 and neighbours), so they
go through syscall(2) and need no recent C library.

A detached mount is a descriptor: `fsopen` → `fsconfig_*` → `fsmount`, or `open_tree` with
OPEN_TREE_CLONE. It becomes visible by `move_mount` and vanishes with its last descriptor.

Sources: mount(2), umount2(2), mount_setattr(2), open_tree(2), fsopen(2), unshare(2), setns(2).
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_REMOUNT: Final = 0x20
MS_NOATIME: Final = 0x400
MS_BIND: Final = 0x1000
MS_MOVE: Final = 0x2000
MS_REC: Final = 0x4000
MS_UNBINDABLE: Final = 0x20000
MS_PRIVATE: Final = 0x40000
MS_SLAVE: Final = 0x80000
MS_SHARED: Final = 0x100000
MS_RELATIME: Final = 0x200000

MNT_FORCE: Final = 0x1
MNT_DETACH: Final = 0x2
MNT_EXPIRE: Final = 0x4
UMOUNT_NOFOLLOW: Final = 0x8

FSOPEN_CLOEXEC: Final = 0x1
FSMOUNT_CLOEXEC: Final = 0x1
FSPICK_CLOEXEC: Final = 0x1

MOUNT_ATTR_RDONLY: Final = 0x1
MOUNT_ATTR_NOSUID: Final = 0x2
MOUNT_ATTR_NODEV: Final = 0x4
MOUNT_ATTR_NOEXEC: Final = 0x8
MOUNT_ATTR_NOATIME: Final = 0x10
MOUNT_ATTR_STRICTATIME: Final = 0x20
MOUNT_ATTR_ATIME_MASK: Final = 0x70
MOUNT_ATTR_NODIRATIME: Final = 0x80
MOUNT_ATTR_IDMAP: Final = 0x100000
MOUNT_ATTR_NOSYMFOLLOW: Final = 0x200000

AT_FDCWD: Final = -100
AT_SYMLINK_NOFOLLOW: Final = 0x100
AT_NO_AUTOMOUNT: Final = 0x800
AT_EMPTY_PATH: Final = 0x1000
AT_RECURSIVE: Final = 0x8000
OPEN_TREE_CLONE: Final = 0x1
OPEN_TREE_CLOEXEC: Final = os.O_CLOEXEC

MOVE_MOUNT_F_SYMLINKS: Final = 0x1
MOVE_MOUNT_F_EMPTY_PATH: Final = 0x4
MOVE_MOUNT_T_SYMLINKS: Final = 0x10
MOVE_MOUNT_T_EMPTY_PATH: Final = 0x40
MOVE_MOUNT_BENEATH: Final = 0x200

CLONE_NEWTIME: Final = 0x80
CLONE_FS: Final = 0x200
CLONE_FILES: Final = 0x400
CLONE_NEWNS: Final = 0x20000
CLONE_NEWCGROUP: Final = 0x2000000
CLONE_NEWUTS: Final = 0x4000000
CLONE_NEWIPC: Final = 0x8000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000

_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_FSOPEN = 430
_SYS_FSCONFIG = 431
_SYS_FSMOUNT = 432
_SYS_FSPICK = 433
_SYS_MOUNT_SETATTR = 442
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41}

_FSCONFIG_SET_FLAG = 0
_FSCONFIG_SET_STRING = 1
_FSCONFIG_SET_FD = 5
_FSCONFIG_CMD_CREATE = 6
_FSCONFIG_CMD_RECONFIGURE = 7

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_char_p,
]
_libc.umount2.argtypes = [ctypes.c_char_p, ctypes.c_int]
_libc.unshare.argtypes = [ctypes.c_int]
_libc.setns.argtypes = [ctypes.c_int, ctypes.c_int]
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long

PathName = str | bytes
"""What a path may be: bytes for names that are no UTF-8."""


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def mount(
    source: PathName | None,
    target: PathName,
    fstype: str | None = None,
    flags: int = 0,
    data: str | bytes | None = None,
) -> None:
    """mount(2); `data` is limited to one page by the kernel."""
    result = _libc.mount(
        _optional(source),
        os.fsencode(target),
        None if fstype is None else fstype.encode(),
        flags,
        _optional(data),
    )
    _check(result, target)


def umount(target: PathName, flags: int = 0) -> None:
    """umount2(2); MNT_DETACH for a lazy one."""
    _check(_libc.umount2(os.fsencode(target), flags), target)


def unshare(flags: int) -> None:
    """Move the calling thread into new namespaces (CLONE_NEW*)."""
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, nstype: int = 0) -> None:
    """Move the calling thread into the namespace(s) behind a descriptor (or a pidfd).

    A mount namespace needs a single-threaded process, or one whose thread unshared CLONE_FS.
    """
    _check(_libc.setns(fd, nstype), "setns")


def pivot_root(new_root: PathName, put_old: PathName) -> None:
    """pivot_root(2)."""
    number = _SYS_PIVOT_ROOT[os.uname().machine]
    result = _syscall(
        ctypes.c_long(number),
        ctypes.c_char_p(os.fsencode(new_root)),
        ctypes.c_char_p(os.fsencode(put_old)),
    )
    _check(result, new_root)


def fsopen(fstype: str, flags: int = FSOPEN_CLOEXEC) -> int:
    """Open a file system context; the caller closes the descriptor."""
    result = _syscall(
        ctypes.c_long(_SYS_FSOPEN), ctypes.c_char_p(fstype.encode()), ctypes.c_uint(flags)
    )
    return _check(result, fstype)


def fspick(directory: int, path: PathName, flags: int = FSPICK_CLOEXEC) -> int:
    """Open the context of a mounted file system, to reconfigure it."""
    result = _syscall(
        ctypes.c_long(_SYS_FSPICK),
        ctypes.c_int(directory),
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.c_uint(flags),
    )
    return _check(result, path)


def fsconfig_string(context: int, key: str, value: PathName) -> None:
    """Set a parameter, e.g. ("lowerdir+", "/dir") of an overlay."""
    _fsconfig(context, _FSCONFIG_SET_STRING, key, os.fsencode(value), 0)


def fsconfig_flag(context: int, key: str) -> None:
    """Set a parameter that has no value, e.g. "ro"."""
    _fsconfig(context, _FSCONFIG_SET_FLAG, key, None, 0)


def fsconfig_fd(context: int, key: str, fd: int) -> None:
    """Set a parameter to an open file."""
    _fsconfig(context, _FSCONFIG_SET_FD, key, None, fd)


def fsconfig_create(context: int) -> None:
    """Create the file system from the parameters set; then `fsmount`."""
    _fsconfig(context, _FSCONFIG_CMD_CREATE, None, None, 0)


def fsconfig_reconfigure(context: int) -> None:
    """Apply the parameters set to a picked file system."""
    _fsconfig(context, _FSCONFIG_CMD_RECONFIGURE, None, None, 0)


def fsmount(context: int, attributes: int = 0, flags: int = FSMOUNT_CLOEXEC) -> int:
    """Make a detached mount of a created context; the caller closes the descriptor.

    Args:
        context: descriptor from `fsopen`; may be closed after.
        attributes: MOUNT_ATTR_* of the mount.
        flags: FSMOUNT_CLOEXEC.
    """
    result = _syscall(
        ctypes.c_long(_SYS_FSMOUNT),
        ctypes.c_int(context),
        ctypes.c_uint(flags),
        ctypes.c_uint(attributes),
    )
    return _check(result, "fsmount")


def read_context_log(context: int) -> list[str]:
    """What the kernel had to say about a context ("e overlay: ..."), oldest first.

    Errno of a failed `fsconfig_*` tells little; these lines tell the reason.
    """
    lines: list[str] = []
    while True:
        try:
            line = os.read(context, 4096)
        except OSError:  # ENODATA: nothing more
            return lines
        lines.append(line.decode(errors="replace").strip())


def open_tree(
    directory: int, path: PathName, flags: int = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC
) -> int:
    """Open a mounted tree; with OPEN_TREE_CLONE a detached bind mount of it.

    Args:
        directory: AT_FDCWD or a descriptor `path` is relative to.
        path: "" with AT_EMPTY_PATH means `directory` itself.
        flags: OPEN_TREE_*, AT_RECURSIVE (mounts below too), AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW.
    """
    result = _syscall(
        ctypes.c_long(_SYS_OPEN_TREE),
        ctypes.c_int(directory),
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.c_uint(flags),
    )
    return _check(result, path)


def move_mount(
    from_directory: int,
    from_path: PathName,
    to_directory: int,
    to_path: PathName,
    flags: int = MOVE_MOUNT_F_EMPTY_PATH,
) -> None:
    """Attach a detached mount (`from_path` "" and MOVE_MOUNT_F_EMPTY_PATH), or move one."""
    result = _syscall(
        ctypes.c_long(_SYS_MOVE_MOUNT),
        ctypes.c_int(from_directory),
        ctypes.c_char_p(os.fsencode(from_path)),
        ctypes.c_int(to_directory),
        ctypes.c_char_p(os.fsencode(to_path)),
        ctypes.c_uint(flags),
    )
    _check(result, to_path)


def mount_setattr(
    directory: int,
    path: PathName = "",
    *,
    flags: int = AT_EMPTY_PATH,
    attr_set: int = 0,
    attr_clear: int = 0,
    propagation: int = 0,
    userns: int = 0,
) -> None:
    """Change the attributes of a mount; AT_RECURSIVE in `flags` for all below too.

    Args:
        directory: AT_FDCWD or a descriptor `path` is relative to.
        path: "" with AT_EMPTY_PATH means `directory` itself.
        flags: AT_*.
        attr_set: MOUNT_ATTR_* to set.
        attr_clear: MOUNT_ATTR_* to clear, first.
        propagation: MS_PRIVATE, MS_SLAVE, MS_SHARED, MS_UNBINDABLE; 0 leaves it.
        userns: descriptor of a user namespace, with MOUNT_ATTR_IDMAP.
    """
    attributes = _MountAttr(attr_set, attr_clear, propagation, userns)
    result = _syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        ctypes.c_int(directory),
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.c_uint(flags),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
    _check(result, path)


def clone_tree(source: PathName, *, recursive: bool = False, read_only: bool = False) -> int:
    """A detached bind mount of a path, private: no mount on it shows elsewhere.

    The caller closes the descriptor.
    """
    depth = AT_RECURSIVE if recursive else 0
    fd = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | depth)
    try:
        mount_setattr(
            fd,
            flags=AT_EMPTY_PATH | depth,
            attr_set=MOUNT_ATTR_RDONLY if read_only else 0,
            propagation=MS_PRIVATE,
        )
    except OSError:
        os.close(fd)
        raise
    return fd


def make_private(target: PathName = "/") -> None:
    """Stop mounts at and below `target` from propagating either way."""
    mount(None, target, None, MS_REC | MS_PRIVATE)


def _fsconfig(context: int, command: int, key: str | None, value: bytes | None, aux: int) -> None:
    result = _syscall(
        ctypes.c_long(_SYS_FSCONFIG),
        ctypes.c_int(context),
        ctypes.c_uint(command),
        ctypes.c_char_p(None if key is None else key.encode()),
        ctypes.c_char_p(value),
        ctypes.c_int(aux),
    )
    if result < 0:
        error = ctypes.get_errno()
        subject = key or "fsconfig"
        detail = "; ".join(read_context_log(context))
        raise OSError(error, f"{os.strerror(error)}{f' ({detail})' if detail else ''}", subject)


def _optional(value: PathName | None) -> bytes | None:
    return None if value is None else os.fsencode(value)


def _check(result: int, subject: PathName) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), os.fsdecode(subject))
    return int(result)
