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
import threading
from collections.abc import Collection, Sequence

from wharfie.drivers.volume.attaching import mount_below, mount_volume
from wharfie.drivers.volume.options import (
    MountOptions,
    Owner,
    check_options,
    parse_limit,
    parse_mount,
    parse_owner,
)
from wharfie.kernel.mounts import MOUNT_ATTR_RDONLY
from wharfie.kernel.projects import lift_limit, limit_directory, project_of
from wharfie.kernel.trees import Trash, measure_tree
from wharfie.model.errors import Internal, InvalidArgument, NotSupported
from wharfie.model.volume import Holder, Volume, VolumeMount

_LOST = ".lost"
_FIRST_PROJECT = 1 << 30
"""Project numbers of limited volumes come after this one; those below are people's and layers'."""
_log = logging.getLogger(__name__)


class LocalVolumeDriver:
    """See `model.volume.VolumeDriver`. Making it makes its directories; `close` at the end."""

    def __init__(self, data_root: str) -> None:
        self._directory = os.path.join(data_root, "volumes")
        tmp = os.path.join(data_root, "tmp")
        os.makedirs(self._directory, mode=0o701, exist_ok=True)
        os.makedirs(tmp, mode=0o700, exist_ok=True)
        self._tmp = tmp
        self._trash = Trash(tmp)
        self._numbering = threading.Lock()
        self._project = 0

    async def close(self) -> None:
        """Stop deleting; the rest goes at the next start."""
        await asyncio.to_thread(self._trash.close)

    async def settle(self) -> None:
        """Wait until everything removed so far is deleted from the disk."""
        await asyncio.wrap_future(self._trash.settle())

    def mountpoint(self, name: str) -> str:
        """Absolute path at which the volume's data is or will be."""
        return os.path.join(self._directory, name, "_data")

    def check(self, volume: Volume) -> None:
        """See VolumeDriver."""
        check_options(volume.options)

    async def attach(
        self, volume: Volume, *, user: str, subpath: str, holders: Sequence[Holder]
    ) -> VolumeMount:
        """See VolumeDriver."""
        del user  # nothing is kept for it
        options = parse_mount(volume.options)
        if options is None and not subpath:
            return VolumeMount(volume.mountpoint)
        return await asyncio.to_thread(self._attach, volume, options, subpath, holders)

    async def detach(self, volume: Volume, *, user: str) -> None:
        """See VolumeDriver; mounts go with their containers."""

    async def move(self, before: Volume, after: Volume) -> None:
        """See VolumeDriver."""
        source = os.path.join(self._directory, before.name)
        target = os.path.join(self._directory, after.name)
        try:
            await asyncio.to_thread(_move, source, target)
        except OSError as error:
            raise Internal(f"rename {before.name}: {error.strerror}") from error

    async def clone(self, source: Volume, target: Volume) -> None:
        """See VolumeDriver; made aside and renamed, so that it is never seen half."""
        if parse_mount(source.options) is not None:
            raise NotSupported(f"clone {source.name}: its data is not this engine's to copy")
        aside = os.path.join(self._tmp, f"clone-{target.name}")
        command = ("cp", "-a", "--reflink=auto", "--", f"{source.mountpoint}/.", f"{aside}/_data")
        try:
            await asyncio.to_thread(self._trash.throw, aside)
            await asyncio.to_thread(_make_tree, aside)
            if limit := parse_limit(target.options):
                await asyncio.to_thread(self._limit, f"{aside}/_data", limit)
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
            )
            _, said = await process.communicate()
            if process.returncode:
                raise Internal(f"clone {source.name}: {said.decode(errors='replace').strip()}")
            await asyncio.to_thread(os.rename, aside, os.path.join(self._directory, target.name))
        except OSError as error:
            raise Internal(f"clone {source.name}: {error.strerror}") from error
        finally:
            await asyncio.to_thread(self._trash.throw, aside)

    def _attach(
        self,
        volume: Volume,
        options: MountOptions | None,
        subpath: str,
        holders: Sequence[Holder],
    ) -> VolumeMount:
        read_only = options is not None and bool(options.attributes & MOUNT_ATTR_RDONLY)
        if options is None:
            try:
                root = os.open(volume.mountpoint, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                raise Internal(f"{volume.mountpoint}: {error.strerror}") from error
        else:
            root = mount_volume(volume.name, options, holders)
        if not subpath:
            return VolumeMount(volume.mountpoint, root, read_only)
        try:
            found = mount_below(root, subpath)
            return VolumeMount(volume.mountpoint, found, read_only)
        finally:
            os.close(root)

    async def create(self, volume: Volume) -> None:
        """Make the place; one that exists keeps its data."""
        self.check(volume)
        try:
            await asyncio.to_thread(
                self._make, volume.name, parse_owner(volume.options), parse_limit(volume.options)
            )
        except OSError as error:
            raise Internal(f"create {volume.name}: {error.strerror}") from error

    async def remove(self, volume: Volume) -> None:
        """Delete the data; idempotent."""
        path = os.path.join(self._directory, volume.name)
        try:
            await asyncio.to_thread(self._lift, self.mountpoint(volume.name))
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

    def _limit(self, data: str, size: int) -> None:
        """Let a new volume's empty directory hold no more than `size` bytes."""
        with self._numbering:
            self._project = 1 + max(
                self._project,
                _FIRST_PROJECT,
                *(project_of(self.mountpoint(name)) for name in os.listdir(self._directory)),
            )
            try:
                limit_directory(data, self._project, size)
            except OSError as error:
                told = (error.strerror or str(error)).lower()
                why = "quotas are off" if error.errno == errno.ESRCH else told
                raise InvalidArgument(
                    f"quota size requested but no quota support (here: {why}): the data root must "
                    "be on XFS or ext4 mounted with prjquota; or limit a volume by a file system "
                    "of its own (type, device), or memory by type=tmpfs with o=size="
                ) from None

    def _lift(self, data: str) -> None:
        project = project_of(data)
        if project > _FIRST_PROJECT:
            lift_limit(data, project)

    def _make(self, name: str, owner: Owner, limit: int) -> None:
        path = os.path.join(self._directory, name)
        os.makedirs(path, mode=0o701, exist_ok=True)
        try:
            os.mkdir(self.mountpoint(name))
        except FileExistsError:
            return
        data = self.mountpoint(name)
        if limit:
            try:
                self._limit(data, limit)
            except InvalidArgument:
                _remove_empty(path, data)
                raise
        if owner.uid is not None or owner.gid is not None:
            os.chown(data, -1 if owner.uid is None else owner.uid, owner.gid or 0)
        os.chmod(data, 0o755 if owner.mode is None else owner.mode)

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


def _move(source: str, target: str) -> None:
    try:
        os.rename(source, target)
    except FileNotFoundError:
        if not os.path.isdir(target):
            raise


def _make_tree(aside: str) -> None:
    os.mkdir(aside, 0o701)
    os.mkdir(os.path.join(aside, "_data"), 0o700)


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
