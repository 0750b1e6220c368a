"""Capabilities: the default set, `--cap-add` and `--cap-drop`, and what a user keeps.

Source: behaviours 180, capabilities(7), moby's rules for ALL (adding ALL then dropping some,
dropping ALL then adding some).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from wharfie.formats.oci.runtime import Capabilities
from wharfie.model.errors import InvalidArgument


def _full(names: str) -> tuple[str, ...]:
    return tuple(f"CAP_{name}" for name in names.split())


NAMES = _full(
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP "
    "LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER "
    "SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE "
    "SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP "
    "MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF "
    "CHECKPOINT_RESTORE"
)
"""All capabilities; the place in the list is the kernel's number."""

DEFAULT = _full(
    "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP "
    "NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
)
_ALL = "ALL"
_KNOWN = frozenset(NAMES)


@cache
def available() -> tuple[str, ...]:
    """What this process may pass on: its bounding set, in the kernel's order.

    A daemon in a container has less than all, and a runtime refuses to give what it has not.
    """
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("CapBnd:"):
                mask = int(line.split()[1], 16)
                return tuple(name for bit, name in enumerate(NAMES) if mask >> bit & 1)
    return NAMES


def normalize(names: Sequence[str]) -> list[str]:
    """Spell capabilities in full: any case, with or without CAP_; ALL stays.

    Raises:
        InvalidArgument: a name that is none.
    """
    result = []
    for name in names:
        upper = name.upper()
        if upper != _ALL:
            upper = upper if upper.startswith("CAP_") else f"CAP_{upper}"
            if upper not in _KNOWN:
                raise InvalidArgument(f'invalid capability: "{name}"')
        result.append(upper)
    return result


def effective_set(
    *,
    add: Sequence[str],
    drop: Sequence[str],
    privileged: bool,
    possible: Sequence[str],
) -> tuple[str, ...]:
    """The capabilities of a container.

    Args:
        add: as asked for.
        drop: as asked for.
        privileged: all that are possible, whatever else is asked.
        possible: what this host and daemon can give.

    Raises:
        InvalidArgument: an unknown name.
    """
    added, dropped = normalize(add), normalize(drop)
    if privileged:
        return tuple(possible)
    if _ALL in added:
        chosen = [name for name in possible if name not in dropped]
        return tuple(chosen) if _ALL not in dropped else tuple(n for n in added if n != _ALL)
    base = [] if _ALL in dropped else [name for name in DEFAULT if name not in dropped]
    return tuple(dict.fromkeys([*base, *added]))


def for_user(names: tuple[str, ...], uid: int) -> Capabilities:
    """Capability sets of a process: a user who is not root keeps only the bounding set."""
    held = names if uid == 0 else ()
    return Capabilities(bounding=names, effective=held, permitted=held)
