"""Seccomp profiles in Docker's format, and what they come to for one container.

A profile names calls, and for some of them conditions: capabilities, architectures, a minimal
kernel. Resolving it for a container gives the plain OCI section that runtimes understand.

Source: the JSON format of `--security-opt seccomp=<file>`, as Docker's documentation shows it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import msgspec
from msgspec import Struct, field

from wharfie.drivers.runtime import default_syscalls as table
from wharfie.formats.oci.runtime import Seccomp, SyscallArgument, SyscallRule
from wharfie.model.errors import InvalidArgument

ARCHITECTURES: dict[str, tuple[str, tuple[str, ...]]] = {
    "x86_64": ("SCMP_ARCH_X86_64", ("SCMP_ARCH_X86", "SCMP_ARCH_X32")),
    "i686": ("SCMP_ARCH_X86", ()),
    "aarch64": ("SCMP_ARCH_AARCH64", ("SCMP_ARCH_ARM",)),
    "armv7l": ("SCMP_ARCH_ARM", ()),
    "ppc64le": ("SCMP_ARCH_PPC64LE", ()),
    "riscv64": ("SCMP_ARCH_RISCV64", ()),
    "s390x": ("SCMP_ARCH_S390X", ("SCMP_ARCH_S390",)),
}
"""By `uname -m`: the native architecture and those it also runs."""
_GO_NAMES = {
    "x86_64": ("amd64",),
    "i686": ("x86", "386"),
    "aarch64": ("arm64",),
    "armv7l": ("arm",),
}
_ALLOW, _ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
MAX_PROFILE_SIZE = 4 << 20


class Conditions(Struct, rename="camel", frozen=True):
    """When a rule applies: all of the capabilities, one of the architectures, a kernel."""

    caps: list[str] | None = None
    arches: list[str] | None = None
    min_kernel: str = ""


class ArchitectureMap(Struct, rename="camel", frozen=True):
    """An architecture and the ones it also runs."""

    architecture: str
    sub_architectures: list[str] | None = None


class ProfileArgument(Struct, rename="camel", frozen=True):
    """A condition on an argument of a call."""

    index: int
    value: int
    op: str
    value_two: int = 0


class ProfileRule(Struct, rename="camel", frozen=True, kw_only=True):
    """One rule; `name` is the older spelling of a single-entry `names`."""

    name: str = ""
    names: list[str] | None = None
    action: str
    errno_ret: int | None = None
    args: list[ProfileArgument | None] | None = None
    includes: Conditions | None = None
    excludes: Conditions | None = None


class Profile(Struct, rename="camel", frozen=True, kw_only=True):
    """A whole profile."""

    default_action: str
    default_errno_ret: int | None = None
    architectures: list[str] | None = None
    arch_map: list[ArchitectureMap] | None = None
    flags: list[str] | None = None
    syscalls: list[ProfileRule] | None = field(default_factory=list)


class Circumstances(Struct, frozen=True):
    """What a profile is resolved for: `uname -m`, kernel version, the container's capabilities."""

    machine: str
    kernel: tuple[int, int]
    capabilities: frozenset[str]


def parse_profile(content: str) -> Profile:
    """Decode the content of a profile file.

    Raises:
        InvalidArgument: not a profile, with Docker's words.
    """
    if len(content) > MAX_PROFILE_SIZE:
        raise InvalidArgument("loading seccomp profile failed: profile is too large")
    try:
        profile = msgspec.json.decode(content, type=Profile)
    except msgspec.MsgspecError as error:
        raise InvalidArgument(f"Decoding seccomp profile failed: {error}") from None
    if profile.architectures and profile.arch_map:
        raise InvalidArgument(
            "both 'architectures' and 'archMap' are specified in the seccomp profile, "
            "use either 'architectures' or 'archMap'"
        )
    for rule in profile.syscalls or ():
        if rule.name and rule.names:
            raise InvalidArgument(
                "both 'name' and 'names' are specified in the seccomp profile, "
                "use either 'name' or 'names'"
            )
    return profile


def resolve_profile(profile: Profile, circumstances: Circumstances) -> Seccomp:
    """What a profile comes to for one container."""
    rules = tuple(
        SyscallRule(
            names=tuple(rule.names or ([rule.name] if rule.name else ())),
            action=rule.action,
            errno_ret=rule.errno_ret,
            args=tuple(
                SyscallArgument(a.index, a.value, a.op, a.value_two) for a in rule.args or () if a
            ),
        )
        for rule in profile.syscalls or ()
        if _applies(rule, circumstances)
    )
    return Seccomp(
        default_action=profile.default_action,
        default_errno_ret=profile.default_errno_ret,
        architectures=_architectures(profile, circumstances.machine),
        flags=tuple(profile.flags or ()),
        syscalls=rules,
    )


def default_profile(circumstances: Circumstances) -> Seccomp:
    """The built-in filter for one container."""
    native, also = ARCHITECTURES.get(circumstances.machine, ("", ()))
    return Seccomp(
        default_action=_ERRNO,
        default_errno_ret=errno.EPERM,
        architectures=(native, *also) if native else (),
        syscalls=(
            _allow(_allowed_names(circumstances)),
            *_conditional_rules(circumstances.machine, circumstances.capabilities),
        ),
    )


def _allowed_names(circumstances: Circumstances) -> list[str]:
    names = table.ALWAYS.split()
    names += table.BY_ARCHITECTURE.get(circumstances.machine, "").split()
    if circumstances.kernel >= table.TRACING_KERNEL:
        names += table.TRACING.split()
    for capability in sorted(circumstances.capabilities):
        names += table.BY_CAPABILITY.get(capability, "").split()
    return list(dict.fromkeys(names))


def _conditional_rules(machine: str, capabilities: AbstractSet[str]) -> Iterator[SyscallRule]:
    for value in table.PERSONALITIES:
        yield _allow(["personality"], SyscallArgument(0, value, "SCMP_CMP_EQ"))
    lowest = min(table.REFUSED_FAMILIES)
    yield _allow(["socket"], SyscallArgument(0, lowest, "SCMP_CMP_LT"))
    for family in range(lowest, table.LAST_FAMILY + 1):
        if family not in table.REFUSED_FAMILIES:
            yield _allow(["socket"], SyscallArgument(0, family, "SCMP_CMP_EQ"))
    if "CAP_SYS_ADMIN" in capabilities:
        return
    # The flags are the second argument on s390.
    flags = 1 if machine == "s390x" else 0
    yield _allow(["clone"], SyscallArgument(flags, table.NAMESPACE_FLAGS, "SCMP_CMP_MASKED_EQ", 0))
    # Its flags are behind a pointer, which a filter cannot follow. Told there is no such call,
    # C libraries take clone instead.
    yield SyscallRule(names=("clone3",), action=_ERRNO, errno_ret=errno.ENOSYS)


def _allow(names: Sequence[str], *arguments: SyscallArgument) -> SyscallRule:
    return SyscallRule(names=tuple(names), action=_ALLOW, args=arguments)


def _architectures(profile: Profile, machine: str) -> tuple[str, ...]:
    if profile.architectures:
        return tuple(profile.architectures)
    native = ARCHITECTURES.get(machine, ("", ()))[0]
    for entry in profile.arch_map or ():
        if entry.architecture == native:
            return (native, *(entry.sub_architectures or ()))
    return ()


def _applies(rule: ProfileRule, circumstances: Circumstances) -> bool:
    excludes, includes = rule.excludes, rule.includes
    names = _GO_NAMES.get(circumstances.machine, (circumstances.machine,))
    held = circumstances.capabilities
    if excludes is not None:
        if any(architecture in names for architecture in excludes.arches or ()):
            return False
        if any(capability in held for capability in excludes.caps or ()):
            return False
        if excludes.min_kernel and circumstances.kernel >= _kernel(excludes.min_kernel):
            return False
    if includes is not None:
        if includes.arches and not any(name in includes.arches for name in names):
            return False
        if any(capability not in held for capability in includes.caps or ()):
            return False
        if includes.min_kernel and circumstances.kernel < _kernel(includes.min_kernel):
            return False
    return True


def _kernel(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    if not (major.isdigit() and minor.isdigit()):
        raise InvalidArgument(f'invalid kernel version: "{text}": expected "<kernel>.<major>"')
    return int(major), int(minor)
