"""The local volume driver.

<data-root>/
├── volumes/<name>/_data     root of the volume
├── volumes/.lost/           data found without a record, kept for its owner
└── tmp/trash-*              being deleted
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Collection, Sequence

from wharfie.kernel.trees import Trash, measure_tree
from wharfie.model.errors import Internal, NotSupported
from wharfie.model.volume import Volume

_LOST = ".lost"
_log = logging.getLogger(__name__)


class LocalVolumeDriver:
    """See `model.volume.VolumeDriver`. Making it makes its directories; `close` at the end."""

    def __init__(self, data_root: str) -> None:
        self._directory = os.path.join(data_root, "volumes")
        tmp = os.path.join(data_root, "tmp")
        os.makedirs(self._directory, mode=0o701, exist_ok=True)
        os.makedirs(tmp, mode=0o700, exist_ok=True)
        self._trash = Trash(tmp)

    async def close(self) -> None:
        """Stop deleting; the rest goes at the next start."""
        await asyncio.to_thread(self._trash.close)

    async def settle(self) -> None:
        """Wait until everything removed so far is deleted from the disk."""
        await asyncio.wrap_future(self._trash.settle())

    def mountpoint(self, name: str) -> str:
        """Absolute path at which the volume's data is or will be."""
        return os.path.join(self._directory, name, "_data")

    async def create(self, volume: Volume) -> None:
        """Make the place; one that exists keeps its data.

        Raises:
            NotSupported: options, which ask for a mount this driver does not make.
        """
        if volume.options:
            raise NotSupported(
                "the local volume driver does not serve options yet: " + ", ".join(volume.options)
            )
        try:
            await asyncio.to_thread(self._make, volume.name)
        except OSError as error:
            raise Internal(f"create {volume.name}: {error.strerror}") from error

    async def remove(self, volume: Volume) -> None:
        """Delete the data; idempotent."""
        path = os.path.join(self._directory, volume.name)
        try:
            await asyncio.to_thread(self._trash.throw, path)
        except OSError as error:
            raise Internal(f"remove {volume.name}: {error.strerror}") from error

    async def usage(self, volume: Volume) -> int:
        """Bytes of the data, 0 when there is none."""
        try:
            return await asyncio.to_thread(measure_tree, self.mountpoint(volume.name))
        except FileNotFoundError:
            return 0

    async def set_aside(self, known: Collection[str]) -> Sequence[str]:
        """At start: put away data of volumes not in `known`."""
        return await asyncio.to_thread(self._set_aside, set(known))

    def _make(self, name: str) -> None:
        path = os.path.join(self._directory, name)
        os.makedirs(path, mode=0o701, exist_ok=True)
        try:
            os.mkdir(self.mountpoint(name))
        except FileExistsError:
            return
        os.chmod(self.mountpoint(name), 0o755)  # noqa: S103 - containers' users enter here

    def _set_aside(self, known: set[str]) -> list[str]:
        lost: list[str] = []
        for name in sorted(os.listdir(self._directory)):
            path = os.path.join(self._directory, name)
            if name in known or name == _LOST or not os.path.isdir(path):
                continue
            if _remove_empty(path, self.mountpoint(name)):
                continue
            target = self._lost_path(name)
            os.rename(path, target)
            _log.warning("data of a volume without a record was moved to %s", target)
            lost.append(name)
        return lost

    def _lost_path(self, name: str) -> str:
        directory = os.path.join(self._directory, _LOST)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        number = 0
        while os.path.lexists(path := os.path.join(directory, f"{name[:200]}-{number}")):
            number += 1
        return path


def _remove_empty(path: str, data: str) -> bool:
    """Remove a volume that never held anything: its creation was interrupted."""
    for directory in (data, path):
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.ENOTDIR, errno.EBUSY):
                return False
            raise
    return True
