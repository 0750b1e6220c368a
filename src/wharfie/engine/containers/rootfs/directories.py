"""Directories of containers: `<data-root>/containers/<id>/`.

    <id>-json.log   output          hosts         resolv.conf        hostname

Removing renames into `<data-root>/tmp` first, so that nothing half is ever seen.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection

from wharfie.model.ids import ContainerId


class ContainerDirectories:
    """Makes, names and removes the directories of containers."""

    def __init__(self, data_root: str) -> None:
        self._root = os.path.join(data_root, "containers")
        self._tmp = os.path.join(data_root, "tmp")

    def path(self, container_id: ContainerId, name: str = "") -> str:
        """The directory, or a file in it."""
        return (
            os.path.join(self._root, container_id, name) if name else f"{self._root}/{container_id}"
        )

    def log_path(self, container_id: ContainerId) -> str:
        """The json-file log."""
        return self.path(container_id, f"{container_id}-json.log")

    def make(self, container_id: ContainerId) -> None:
        """Make the directory; one that exists is kept."""
        os.makedirs(self.path(container_id), mode=0o710, exist_ok=True)

    def write(self, container_id: ContainerId, name: str, content: str) -> str:
        """Write a managed file in place (it may be bind-mounted); returns its path."""
        path = self.path(container_id, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        return path

    def give(self, container_id: ContainerId, uid: int, gid: int) -> None:
        """Let the files kept for a container belong to its root."""
        for name in ("hosts", "hostname", "resolv.conf"):
            os.chown(self.path(container_id, name), uid, gid)

    def detach(self, container_id: ContainerId) -> str:
        """Rename the directory into `tmp`, to be deleted at leisure; "" when it is missing."""
        aside = os.path.join(self._tmp, f"container-{container_id}")
        try:
            os.rename(self.path(container_id), aside)
        except FileNotFoundError:
            return ""
        return aside

    def sweep(self, keep: Collection[str]) -> None:
        """At start: remove directories of containers no row knows."""
        os.makedirs(self._root, mode=0o710, exist_ok=True)
        for name in os.listdir(self._root):
            if name not in keep:
                shutil.rmtree(os.path.join(self._root, name), ignore_errors=True)
