"""The cover over cgroup v2 on hosts that have v1: crun refuses to see both.

In a mount namespace of the supervisor's own the v2 tree is unmounted and an empty tmpfs laid over
its place, where crun makes directories that limit nothing. What a container left there goes with
its task. On hosts with v2 alone nothing is done.

Source: crun `libcrun_get_cgroup_mode`; systemd's "hybrid" layout.
"""

from __future__ import annotations

import contextlib
import os
import shutil

import orjson

from wharfie.kernel import mounts

ROOT = "/sys/fs/cgroup"
UNIFIED = f"{ROOT}/unified"


class UnifiedCover:
    """The cover, where one is needed."""

    def __init__(self) -> None:
        self._is_laid = False
        self._paths: dict[str, str] = {}

    def lay(self) -> None:
        """Leave the host's mount namespace and lay the cover, on hybrid hosts only."""
        if os.path.exists(f"{ROOT}/cgroup.controllers") or not os.path.isdir(UNIFIED):
            return
        mounts.unshare(mounts.CLONE_NEWNS)
        mounts.mount(None, "/", None, mounts.MS_REC | mounts.MS_SLAVE)
        if os.path.exists(f"{UNIFIED}/cgroup.controllers"):
            mounts.umount(UNIFIED, mounts.MNT_DETACH)
        mounts.mount("none", UNIFIED, "tmpfs", 0, "mode=755")
        self._is_laid = True

    def note(self, task_id: str, bundle: str) -> None:
        """A task is started from a bundle: remember where its cgroup will be."""
        if not self._is_laid:
            return
        with contextlib.suppress(OSError, KeyError, TypeError, orjson.JSONDecodeError):
            with open(f"{bundle}/config.json", "rb") as file:
                spec = orjson.loads(file.read())
            self._paths[task_id] = str(spec["linux"]["cgroupsPath"])

    def forget(self, task_id: str) -> None:
        """A task is gone: remove what its runtime made below the cover."""
        path = self._paths.pop(task_id, "").strip("/")
        if path:
            shutil.rmtree(f"{UNIFIED}/{path}", ignore_errors=True)
