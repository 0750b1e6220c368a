"""Sealed copies of the OCI runtime's program.

crun protects itself from containers that would overwrite it by copying itself into a sealed
memory file and executing that, each time it starts. Started from such a file it need not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from wharfie.kernel.descriptors import copy_sealed

_SELF_SEALING = ("crun",)
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_Version = tuple[int, int, int]


class RuntimeCopies:
    """Finds programs; copies those worth it, once per version of the file."""

    def __init__(self) -> None:
        self._copies: dict[str, tuple[_Version, int]] = {}

    def executable(self, name: str, environment: Mapping[str, str]) -> str:
        """The path to execute for a program; FileNotFoundError when there is none."""
        path = _find(name, environment.get("PATH", _DEFAULT_PATH))
        if os.path.basename(path) not in _SELF_SEALING:
            return path
        status = os.stat(path)
        version = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._copies.get(path)
        if known is None or known[0] != version:
            try:
                copy = copy_sealed(path)
            except OSError:
                return path  # no memory files here: crun will do what it always does
            if known is not None:
                os.close(known[1])
            known = self._copies[path] = (version, copy)
        return f"/proc/self/fd/{known[1]}"


def _find(name: str, search_path: str) -> str:
    if "/" in name:
        os.stat(name)
        return name
    for directory in search_path.split(":"):
        path = os.path.join(directory, name)
        if os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(2, os.strerror(2), name)
