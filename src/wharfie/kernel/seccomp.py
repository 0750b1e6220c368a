"""System call filters: an OCI seccomp section compiled to a BPF program.

libseccomp does the compiling, called directly: about 9 ms for the default profile, once. In
front of its program stands a short one of ours: a system call whose number is above all the
profile knows fails with ENOSYS instead of the default action, so that a C library newer than the
profile falls back to what the profile does know. runc does the same.

Source: seccomp_rule_add(3), seccomp_export_bpf(3), the OCI runtime spec's "Seccomp" section,
`linux/filter.h` for the instructions.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections import Counter
from collections.abc import Callable, Iterable
from typing import cast

from wharfie.formats.oci.runtime import Seccomp, SyscallArgument, SyscallRule

_ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
_ACTIONS_WITH_NUMBER = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
_PERMISSIVE = ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG")
_COMPARISONS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
_UNKNOWN_SYSCALL = -1
_ATTRIBUTE_NO_NEW_PRIVILEGES = 3
_ATTRIBUTE_OPTIMIZE = 8
_BINARY_TREE = 2
_MAX_INSTRUCTIONS = 4096

_LD_ABSOLUTE, _JEQ, _JGT, _JGE, _RET = 0x20, 0x15, 0x25, 0x35, 0x06
_OFFSET_NUMBER, _OFFSET_ARCH = 0, 4
_X32_BIT = 0x40000000
_ARCH_X86_64 = 0xC000003E
_ARCH_X32 = 0x4000003E


class SeccompUnavailable(Exception):
    """libseccomp is not on this host, or too old."""


class SeccompInvalid(ValueError):
    """A profile that cannot be compiled; the text says which part."""


class _ArgumentComparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


class _Library:
    """libseccomp with its prototypes declared."""

    def __init__(self) -> None:
        try:
            library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        except OSError as error:
            raise SeccompUnavailable("libseccomp.so.2 is not installed") from error
        context, number, text = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_char_p
        self.init = _declare(library, "seccomp_init", context, number)
        self.release = _declare(library, "seccomp_release", None, context)
        self.arch_add = _declare(library, "seccomp_arch_add", ctypes.c_int, context, number)
        self.arch_by_name = _declare(library, "seccomp_arch_resolve_name", number, text)
        self.attribute = _declare(
            library, "seccomp_attr_set", ctypes.c_int, context, ctypes.c_int, number
        )
        self.syscall = _declare(library, "seccomp_syscall_resolve_name", ctypes.c_int, text)
        self.syscall_on = _declare(
            library, "seccomp_syscall_resolve_name_arch", ctypes.c_int, number, text
        )
        self.rule_add = _declare(
            library,
            "seccomp_rule_add_array",
            ctypes.c_int,
            context,
            number,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.POINTER(_ArgumentComparison),
        )
        self.export = _declare(library, "seccomp_export_bpf", ctypes.c_int, context, ctypes.c_int)


def _declare(
    library: ctypes.CDLL, name: str, result: object, *arguments: object
) -> Callable[..., int]:
    try:
        function = library[name]
    except AttributeError as error:
        raise SeccompUnavailable(f"libseccomp has no {name}") from error
    function.restype = result  # type: ignore[assignment]  # any ctypes type is right here
    function.argtypes = arguments  # type: ignore[assignment]  # the same
    return cast(Callable[..., int], function)  # ctypes cannot say what it was just told


_loaded: list[_Library] = []


def _library() -> _Library:
    if not _loaded:
        _loaded.append(_Library())
    return _loaded[0]


def is_available() -> bool:
    """Tell whether filters can be compiled on this host."""
    try:
        _library()
    except SeccompUnavailable:
        return False
    return True


def compile_filter(profile: Seccomp) -> bytes:
    """Compile a profile to an array of `struct sock_filter`.

    Names no kernel of this architecture knows are left out, as every runtime does.

    Raises:
        SeccompUnavailable: no libseccomp.
        SeccompInvalid: an unknown action, architecture or comparison, or too many rules.
    """
    library = _library()
    default = _action(profile.default_action, profile.default_errno_ret)
    context = library.init(default)
    if not context:
        raise SeccompInvalid(f"unusable default action {profile.default_action!r}")
    try:
        architectures = _add_architectures(library, context, profile.architectures)
        _check(library.attribute(context, _ATTRIBUTE_NO_NEW_PRIVILEGES, 0), "attribute")
        # A binary tree over the numbers: a dozen comparisons a call instead of hundreds. Old
        # libraries do not know it and keep the list.
        library.attribute(context, _ATTRIBUTE_OPTIMIZE, _BINARY_TREE)
        for rule in profile.syscalls:
            _add_rule(library, context, rule, default)
        program = _export(library, context)
    finally:
        library.release(context)
    if profile.default_action not in _PERMISSIVE:
        program = _unknown_calls(library, architectures, profile.syscalls) + program
    if len(program) // 8 > _MAX_INSTRUCTIONS:
        raise SeccompInvalid(f"seccomp filter is too long: {len(program) // 8} instructions")
    return program


def _action(name: str, number: int | None) -> int:
    try:
        value = _ACTIONS[name]
    except KeyError:
        raise SeccompInvalid(f"invalid seccomp action {name!r}") from None
    if name not in _ACTIONS_WITH_NUMBER:
        return value
    return value | (errno.EPERM if number is None else number & 0xFFFF)


def _check(result: int, what: str) -> None:
    if result < 0:
        raise SeccompInvalid(f"seccomp {what}: {os.strerror(-result)}")


def _add_architectures(library: _Library, context: int, names: Iterable[str]) -> list[int]:
    tokens = [library.arch_by_name(b"native")] if not names else []
    for name in names:
        token = library.arch_by_name(name.removeprefix("SCMP_ARCH_").lower().encode())
        if not token:
            raise SeccompInvalid(f"invalid seccomp architecture {name!r}")
        result = library.arch_add(context, token)
        if result != -errno.EEXIST:
            _check(result, f"architecture {name}")
        tokens.append(token)
    return tokens


def _add_rule(library: _Library, context: int, rule: SyscallRule, default: int) -> None:
    action = _action(rule.action, rule.errno_ret)
    if action == default:
        return
    alternatives = _alternatives(rule.args)
    for name in rule.names:
        number = library.syscall(name.encode())
        if number == _UNKNOWN_SYSCALL:
            continue
        for conditions in alternatives:
            array = (_ArgumentComparison * len(conditions))(*conditions)
            result = library.rule_add(context, action, number, len(conditions), array)
            if result != -errno.EEXIST:
                _check(result, f"rule for {name}")


def _alternatives(
    arguments: tuple[SyscallArgument, ...],
) -> list[list[_ArgumentComparison]]:
    """Conditions that hold together; two on the same argument are alternatives instead."""
    comparisons = []
    for argument in arguments:
        try:
            operator = _COMPARISONS[argument.op]
        except KeyError:
            raise SeccompInvalid(f"invalid seccomp comparison {argument.op!r}") from None
        if not 0 <= argument.index <= 5:
            raise SeccompInvalid(f"invalid seccomp argument index {argument.index}")
        comparisons.append(
            _ArgumentComparison(argument.index, operator, argument.value, argument.value_two)
        )
    counts = Counter(argument.index for argument in arguments)
    if any(count > 1 for count in counts.values()):
        return [[comparison] for comparison in comparisons]
    return [comparisons]


def _export(library: _Library, context: int) -> bytes:
    fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    try:
        _check(library.export(context, fd), "export")
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


def _unknown_calls(
    library: _Library, architectures: list[int], rules: tuple[SyscallRule, ...]
) -> bytes:
    """Instructions that answer ENOSYS above the highest known number of each architecture."""
    names = {name.encode() for rule in rules for name in rule.names}
    highest = {
        token: max((library.syscall_on(token, name) for name in names), default=-1)
        for token in architectures
        # x32 shares the kernel's name for x86-64 and its numbers have a bit of their own.
        if token != _ARCH_X32
    }
    blocks = [(token, number) for token, number in highest.items() if number >= 0]
    total = 1 + sum(5 if token == _ARCH_X86_64 else 4 for token, _ in blocks)
    code: list[tuple[int, int, int, int]] = [(_LD_ABSOLUTE, 0, 0, _OFFSET_ARCH)]
    for token, number in blocks:
        wide = token == _ARCH_X86_64
        code.append((_JEQ, 0, 4 if wide else 3, token))
        code.append((_LD_ABSOLUTE, 0, 0, _OFFSET_NUMBER))
        if wide:
            code.append((_JGE, total - len(code) - 1, 0, _X32_BIT))
        code.append((_JGT, 0, total - len(code) - 1, number))
        code.append((_RET, 0, 0, _ACTIONS["SCMP_ACT_ERRNO"] | errno.ENOSYS))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
