"""Programs on this host that the driver needs: runtimes and an init."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable

from wharfie.model.runtime import RuntimeInfo

_INIT_NAMES = ("docker-init", "tini-static", "tini")
_INIT_DIRECTORIES = (
    "/usr/libexec/docker",
    "/usr/local/libexec/docker",
    "/usr/lib/docker",
    "/usr/libexec/wharfie",
    "/usr/libexec/podman",
)


def find_runtimes(names: Iterable[str] = ("crun", "runc")) -> dict[str, RuntimeInfo]:
    """The runtimes among `names` that are installed, in the given order of preference."""
    found = {}
    for name in names:
        path = shutil.which(name)
        if path is not None:
            found[name] = RuntimeInfo(name, path)
    return found


def find_init(configured: str = "") -> str:
    """Path of the init program for `--init`, "" when there is none.

    Args:
        configured: the daemon's `init-path`: a path or a name to look up.
    """
    for name in (configured,) if configured else _INIT_NAMES:
        path = shutil.which(name) or shutil.which(name, path=os.pathsep.join(_INIT_DIRECTORIES))
        if path is not None:
            return path
    return ""
