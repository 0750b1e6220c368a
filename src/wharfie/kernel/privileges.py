"""Giving up privileges: capabilities, seccomp, prctl switches. None can be taken back.

Capabilities and seccomp filters belong to a thread; call these while there is only one.

Sources: capabilities(7), capset(2), prctl(2), seccomp(2).
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from typing import Final

CAP_CHOWN: Final = 0
CAP_DAC_OVERRIDE: Final = 1
CAP_FOWNER: Final = 3
CAP_FSETID: Final = 4
CAP_SYS_ADMIN: Final = 21
CAP_MKNOD: Final = 27
CAP_SETFCAP: Final = 31

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522

_RET_KILL = 0x80000000
_RET_ERRNO = 0x00050000
_RET_ALLOW = 0x7FFF0000
_EPERM = 1
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "riscv64": 0xC00000F3}
_X32 = 0x40000000
_BPF_LOAD = 0x20
_BPF_EQUAL = 0x15
_BPF_AT_LEAST = 0x35
_BPF_RETURN = 0x06

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def last_capability() -> int:
    """Highest capability number the kernel knows."""
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
        return int(file.read())


def keep_capabilities(kept: Iterable[int], last: int) -> None:
    """Drop every capability but `kept`, from all five sets; nothing is inherited.

    Args:
        kept: capability numbers that stay permitted and effective.
        last: from `last_capability`, asked while /proc is still there.
    """
    kept = frozenset(kept)
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    for capability in range(last + 1):
        if capability not in kept:
            _prctl(_PR_CAPBSET_DROP, capability)
    mask = sum(1 << capability for capability in kept)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    data = struct.pack("=6I", low, low, 0, high, high, 0)
    _check(_libc.capset(header, data), "capset")


def become_for_files(uid: int, gid: int) -> None:
    """Let the calling thread act on files as somebody else, with all it may do as root.

    With the user the kernel takes file capabilities off the effective set; they are put back.
    Source: setfsuid(2), capabilities(7).
    """
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    held = ctypes.create_string_buffer(struct.calcsize("=6I"))
    _check(_libc.capget(header, held), "capget")
    _libc.setfsgid(ctypes.c_uint(gid))
    _libc.setfsuid(ctypes.c_uint(uid))
    _check(_libc.capset(header, held), "capset")


def set_no_new_privileges() -> None:
    """execve gains nothing any more."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def set_undumpable() -> None:
    """Keep others of the same uid from tracing this process or reading its /proc."""
    _prctl(_PR_SET_DUMPABLE, 0)


def die_with_parent(signal_number: int) -> None:
    """Get a signal when the thread that made this process ends; compare getppid() after."""
    _prctl(_PR_SET_PDEATHSIG, signal_number)


def set_name(name: str) -> None:
    """Name the calling thread, at most 15 bytes."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    _check(_libc.prctl(_PR_SET_NAME, buffer, 0, 0, 0), "prctl")


def deny_filter(numbers: Iterable[int]) -> bytes:
    """A seccomp program that refuses these system calls with EPERM and allows the others.

    Calls of another architecture kill the process: their numbers mean something else.
    """
    architecture = _ARCHITECTURES[os.uname().machine]
    denied = sorted(set(numbers))
    if len(denied) > 250:
        raise ValueError("jump distances of a filter are one byte")
    code = [
        (_BPF_LOAD, 0, 0, 4),
        (_BPF_EQUAL, 1, 0, architecture),
        (_BPF_RETURN, 0, 0, _RET_KILL),
        (_BPF_LOAD, 0, 0, 0),
        (_BPF_AT_LEAST, len(denied) + 1, 0, _X32),
    ]
    for index, number in enumerate(denied):
        code.append((_BPF_EQUAL, len(denied) - index, 0, number))
    code.append((_BPF_RETURN, 0, 0, _RET_ALLOW))
    code.append((_BPF_RETURN, 0, 0, _RET_ERRNO | _EPERM))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def install_filter(program: bytes) -> None:
    """Put a seccomp program in force; needs `set_no_new_privileges` or CAP_SYS_ADMIN."""
    buffer = ctypes.create_string_buffer(program, len(program))
    description = _Program(len(program) // 8, ctypes.addressof(buffer))
    result = _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(description), 0, 0)
    _check(result, "seccomp")


def _prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero), "prctl")


def _check(result: int, subject: str) -> None:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), subject)
