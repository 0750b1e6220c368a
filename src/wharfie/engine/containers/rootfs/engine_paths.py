"""Paths in a writable layer that are the engine's doing, not the container's.

Before it mounts over them, the runtime makes what the image lacks: directories for /dev, /proc
and /sys, files for what the engine writes into /etc. Docker has them in a layer of their own,
which neither `diff` nor `commit` shows. Source: behaviours 120, 121.
"""

from __future__ import annotations

from collections.abc import Sequence

from wharfie.model.snapshot import Change

ENGINE_PATHS = (
    *("/dev", "/dev/console", "/dev/mqueue", "/dev/pts", "/dev/shm", "/proc", "/sys"),
    *("/etc/hostname", "/etc/hosts", "/etc/resolv.conf"),
)
_MODIFIED = 0


def without_engine_paths(changes: Sequence[Change]) -> list[Change]:
    """The container's own changes; directories that only changed with ours are left out."""
    hidden = frozenset(ENGINE_PATHS)
    kept = [change for change in changes if change.path not in hidden]
    above = {parent for path in hidden for parent in _parents(path)}
    alive = {
        parent
        for change in kept
        if change.path not in above or change.kind != _MODIFIED
        for parent in _parents(change.path)
    }
    return [
        change
        for change in kept
        if change.kind != _MODIFIED or change.path not in above or change.path in alive
    ]


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(2, len(parts))]
