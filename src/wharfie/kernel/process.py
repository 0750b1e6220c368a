"""Processes by descriptor: pidfds, exit statuses, subreapers.

A pidfd names one process for ever, also after its number was given to another. The exit status
of a child is taken by waitid(2); of a process that somebody else reaped, kernels from 6.15 on
still tell it through the pidfd (PIDFD_GET_INFO with PIDFD_INFO_EXIT).

Sources: pidfd_open(2), waitid(2), prctl(2), linux/pidfd.h.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import struct

_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

_PIDFD_INFO = struct.Struct("=QQ11Ii")
"""mask, cgroup, eleven process and user numbers, wait status: the first published size."""
_PIDFD_GET_INFO = 3 << 30 | _PIDFD_INFO.size << 16 | 0xFF << 8 | 11
_PIDFD_INFO_EXIT = 1 << 3

_libc = ctypes.CDLL(None, use_errno=True)


def set_child_subreaper() -> None:
    """Become the parent of orphaned descendants of this process."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_process_name(name: str) -> None:
    """Set the short name `ps` and `/proc/<pid>/comm` show; cut to 15 bytes."""
    _prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()))


def send_signal(pidfd: int, number: int) -> bool:
    """Signal a process; False when it has ended."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    return True


def reap(pidfd: int) -> int | None:
    """Take a child's exit code: 0–255, or 128+n for death by signal n; None while it runs.

    Raises:
        ChildProcessError: not a child of ours, or reaped by somebody before.
    """
    result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    if result is None:
        return None
    status: int = result.si_status
    return status if result.si_code == os.CLD_EXITED else 128 + status


def exit_code_after_reaping(pidfd: int) -> int | None:
    """The exit code of a process somebody else reaped; None when the kernel does not tell."""
    request = bytearray(_PIDFD_INFO.pack(_PIDFD_INFO_EXIT, *(0,) * 13))
    try:
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, request, True)
    except OSError:
        return None  # ENOTTY, EINVAL: an older kernel; ESRCH: not reaped yet
    mask, *_, status = _PIDFD_INFO.unpack(request)
    if not mask & _PIDFD_INFO_EXIT:
        return None
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def find_zombie_child() -> int | None:
    """The pid of some ended child nobody took the status of, without taking it."""
    try:
        result = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if result is None else result.si_pid


def _prctl(option: int, value: object) -> None:
    argument = ctypes.c_ulong(value) if isinstance(value, int) else value
    zero = ctypes.c_ulong(0)
    if _libc.prctl(ctypes.c_int(option), argument, zero, zero, zero) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
