"""System call filters of containers: chosen by their options, compiled once, kept.

crun takes a compiled program in an annotation, which saves 10 ms a start; others compile the JSON
section themselves. A program depends on the profile, the capabilities and this host only, so it
is kept in memory and in a directory that goes with the boot.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import secrets
from collections import OrderedDict

import msgspec
from msgspec import Raw, Struct

from wharfie.drivers.runtime.seccomp_profile import (
    Circumstances,
    default_profile,
    parse_profile,
    resolve_profile,
)
from wharfie.drivers.runtime.security_options import UNCONFINED
from wharfie.formats.oci.runtime import Seccomp
from wharfie.kernel import seccomp
from wharfie.model.errors import InvalidArgument

BPF_ANNOTATION = "run.oci.seccomp_bpf_data"
_MEMORY_ENTRIES = 64
_VERSION = b"1"
"""Part of every key: a change in how programs are made must not meet old ones."""


class Filter(Struct, frozen=True):
    """A filter in the two forms runtimes take; `bpf` is base64, "" when only JSON will do."""

    section: Raw
    bpf: str


class SeccompFilters:
    """Makes and keeps filters. Its methods block up to 50 ms and belong in a thread."""

    def __init__(
        self, directory: str, *, machine: str, kernel: tuple[int, int], profile: str = ""
    ) -> None:
        """Name the cache directory and the daemon's default.

        Args:
            directory: private to the daemon, made when needed.
            machine: `uname -m`.
            kernel: major and minor version.
            profile: "" for the built-in one, "unconfined", or the content of a profile.

        Raises:
            InvalidArgument: `profile` is no profile.
        """
        self._directory = directory
        self._machine = machine
        self._kernel = kernel
        self._default = profile
        self._kept: OrderedDict[tuple[str, frozenset[str]], Filter] = OrderedDict()
        if profile not in ("", UNCONFINED):
            parse_profile(profile)

    def check(self, profile: str) -> None:
        """InvalidArgument when a container's `seccomp=` option is no profile."""
        if profile not in ("", UNCONFINED):
            parse_profile(profile)

    def filter(self, profile: str, capabilities: tuple[str, ...]) -> Filter | None:
        """The filter of a container, None for no confinement.

        Args:
            profile: of the container's options, "" for the daemon's default.
            capabilities: what the container holds.

        Raises:
            InvalidArgument: a profile that cannot be compiled.
        """
        profile = profile or self._default
        if profile == UNCONFINED:
            return None
        held = frozenset(capabilities)
        key = (hashlib.sha256(profile.encode()).hexdigest() if profile else "", held)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._make(profile, held)
            self._kept[key] = kept
            while len(self._kept) > _MEMORY_ENTRIES:
                self._kept.popitem(last=False)
        return kept

    def _make(self, profile: str, capabilities: frozenset[str]) -> Filter:
        circumstances = Circumstances(self._machine, self._kernel, capabilities)
        if profile:
            resolved = resolve_profile(parse_profile(profile), circumstances)
        else:
            resolved = default_profile(circumstances)
        section = msgspec.json.encode(resolved)
        program = b"" if _needs_runtime(resolved) else self._program(resolved, section)
        return Filter(Raw(section), base64.b64encode(program).decode())

    def _program(self, resolved: Seccomp, section: bytes) -> bytes:
        name = hashlib.sha256(_VERSION + section).hexdigest() + ".bpf"
        path = os.path.join(self._directory, name)
        with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
            program = file.read()
            if program and len(program) % 8 == 0:
                return program
        try:
            program = seccomp.compile_filter(resolved)
        except seccomp.SeccompUnavailable:
            return b""
        except seccomp.SeccompInvalid as error:
            raise InvalidArgument(str(error)) from None
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        temporary = f"{path}.{secrets.token_hex(4)}"
        with open(temporary, "wb") as file:
            file.write(program)
        os.rename(temporary, path)
        return program


def _needs_runtime(resolved: Seccomp) -> bool:
    """Flags and notifications are set up by the runtime, a bare program cannot carry them."""
    return bool(resolved.flags) or any(
        rule.action == "SCMP_ACT_NOTIFY" for rule in resolved.syscalls
    )
