"""Sockets the service manager passes on: systemd's socket activation.

    LISTEN_PID      for whom they are; others must leave them alone
    LISTEN_FDS      how many, from descriptor 3 on
    LISTEN_FDNAMES  their names, with colons in between

The variables are removed: no child may think it was meant. Source: sd_listen_fds(3).
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import MutableMapping, Sequence

from msgspec import Struct

from wharfie.daemon.config import ConfigError

FIRST = 3
_NONE = "no sockets found via socket activation: make sure the service was started by systemd"
_log = logging.getLogger(__name__)
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class Passed(Struct, frozen=True):
    """One descriptor that was passed on."""

    fd: int
    name: str


def take_passed(environment: MutableMapping[str, str], pid: int) -> list[Passed]:
    """Read and remove the variables; none when they are meant for another process.

    Raises:
        ConfigError: a descriptor that was announced is not open.
    """
    given = [environment.pop(name, "") for name in _VARIABLES]
    if given[0] != str(pid) or not given[1].isdecimal():
        return []
    count = min(int(given[1]), 1024)
    names = given[2].split(":") if given[2] else []
    names += [""] * (count - len(names))
    passed = [Passed(FIRST + index, names[index]) for index in range(count)]
    for one in passed:
        try:
            os.set_inheritable(one.fd, False)
        except OSError as error:
            raise ConfigError(f"descriptor {one.fd} of LISTEN_FDS: {error.strerror}") from None
    return passed


def select(address: str, passed: Sequence[Passed]) -> list[Passed]:
    """The descriptors that `fd://address` means: all ("" or "*"), one number, or a name's.

    Raises:
        ConfigError: none is meant, in dockerd's words.
    """
    if not passed:
        raise ConfigError(_NONE)
    if address in ("", "*"):
        return list(passed)
    named = [one for one in passed if one.name == address]
    if named:
        return named
    if not address.isdecimal():
        known = ", ".join(sorted({one.name for one in passed if one.name})) or "none has a name"
        raise ConfigError(
            f"failed to parse systemd fd address: should be a number: {address} "
            f"(or the name of a passed socket: {known})"
        )
    number = int(address)
    chosen = [one for one in passed if one.fd == number]
    if not chosen:
        raise ConfigError(
            "too few socket activated files passed in by systemd: "
            f"{len(passed)}, from {FIRST} on; {number} is not among them"
        )
    return chosen


def bound_to(passed: Sequence[Passed]) -> dict[object, Passed]:
    """Passed sockets by what they are bound to: a path, or host and port."""
    found: dict[object, Passed] = {}
    for one in passed:
        try:
            with socket.socket(fileno=os.dup(one.fd)) as held:
                name = held.getsockname()
        except OSError:
            continue
        found[name[:2] if isinstance(name, tuple) else os.path.realpath(os.fsdecode(name))] = one
    return found


def close_unused(passed: Sequence[Passed], used: set[int]) -> None:
    """Close what no `-H` asked for."""
    for one in passed:
        if one.fd not in used:
            # The service manager still holds it.
            _log.warning(
                "the service manager listens on %s, which is none of our hosts: clients wait "
                "there in vain; add -H fd:// or stop its socket unit",
                one.name or f"descriptor {one.fd}",
            )
            os.close(one.fd)
