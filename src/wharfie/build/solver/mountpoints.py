"""Places that the runtime makes before it mounts over them: noted before, removed after.

A layer shall hold what the step did, not what running it took.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from wharfie.engine.containers.rootfs.engine_paths import ENGINE_PATHS
from wharfie.kernel import openat2
from wharfie.model.build.files import MountPoint


def missing_points(root: int, targets: Sequence[str]) -> list[MountPoint]:
    """Paths that are not there yet, and the directories above them; blocks.

    Args:
        root: descriptor of the root file system.
        targets: absolute paths of mounts besides the standard ones.
    """
    looked: dict[str, MountPoint] = {}
    needed: dict[str, MountPoint] = {}
    for target in (*ENGINE_PATHS, *targets):
        parts = [part for part in target.split("/") if part not in ("", ".")]
        paths = ["/" + "/".join(parts[:number]) for number in range(1, len(parts) + 1)]
        for path in paths:
            if path not in looked:
                looked[path] = _look(root, path)
        if any(not looked[path].mode for path in paths):
            needed |= {path: looked[path] for path in paths}
    return list(needed.values())


def _look(root: int, path: str) -> MountPoint:
    try:
        fd = openat2.open_in_root(root, path.lstrip("/"), os.O_PATH | os.O_NOFOLLOW)
    except OSError:
        return MountPoint(path)
    try:
        status = os.fstat(fd)
    finally:
        os.close(fd)
    return MountPoint(path, status.st_mode, status.st_uid, status.st_gid)
