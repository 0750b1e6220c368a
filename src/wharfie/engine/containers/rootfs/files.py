"""Files of a container: archive in and out, changes, export. Running or not.

A running container is entered by `/proc/<pid>/root`, where its volumes are mounted; of a stopped
one the root is mounted detached and its volumes are laid over it by the jail worker, in a mount
namespace of its own. Source: behaviours 120–122.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Sequence

from wharfie.engine.containers.catalogue import Catalogue, ContainerHandle
from wharfie.engine.containers.ledger import Ledger
from wharfie.engine.containers.rootfs.engine_paths import without_engine_paths
from wharfie.engine.containers.rootfs.held_open import hold_open
from wharfie.formats import passwd
from wharfie.kernel.openat2 import read_in_root
from wharfie.model.archive import Archiver, PathStat, Root, RootMount
from wharfie.model.container import Container
from wharfie.model.errors import Forbidden, InvalidArgument, NotFound
from wharfie.model.ids import SnapshotKey
from wharfie.model.lifecycle import has_process
from wharfie.model.snapshot import Change, Snapshotter

_MAX_PASSWD = 8 << 20


class ContainerFiles:
    """File verbs on containers."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        ledger: Ledger,
        snapshotter: Snapshotter,
        archiver: Archiver,
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._snapshotter = snapshotter
        self._archiver = archiver

    async def stat(self, ref: str, path: str) -> PathStat:
        """Stat a path inside a container; NotFound `Could not find the file …`."""
        handle = self._find(ref, path)
        async with self._root(handle) as root:
            with _naming(path, ref):
                return await self._archiver.stat(root, path)

    async def copy_out(self, ref: str, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
        """A path as a tar stream."""
        handle = self._find(ref, path)
        opened = contextlib.AsyncExitStack()
        root = await opened.enter_async_context(self._root(handle))
        try:
            with _naming(path, ref):
                stat, stream = await self._archiver.copy_out(root, path)
        except BaseException:
            await opened.aclose()
            raise
        self._ledger.publish(handle.record, "archive-path")
        return stat, hold_open(stream, opened)

    async def copy_in(
        self,
        ref: str,
        path: str,
        source: AsyncIterable[bytes],
        *,
        no_overwrite_dir_non_dir: bool = False,
        copy_uid_gid: bool = False,
    ) -> None:
        """Unpack a tar into a directory of a container."""
        handle = self._find(ref, path)
        if self._is_read_only(handle.record, path):
            raise Forbidden("container rootfs is marked read-only")
        async with self._root(handle, write=True) as root:
            with _naming(path, ref):
                await self._archiver.copy_in(
                    root,
                    path,
                    source,
                    no_overwrite_dir_non_dir=no_overwrite_dir_non_dir,
                    owner=_owner(root, handle.record) if copy_uid_gid else None,
                )
        self._ledger.publish(handle.record, "extract-to-dir")

    async def changes(self, ref: str) -> Sequence[Change]:
        """What the container changed in its root file system."""
        record = self._catalogue.find(ref).record
        changes = await self._snapshotter.changes(SnapshotKey(record.id))
        return without_engine_paths(changes)

    async def export(self, ref: str) -> AsyncIterator[bytes]:
        """The container's root file system as a tar stream, without volumes."""
        record = self._catalogue.find(ref).record
        descriptor = await self._snapshotter.mount(SnapshotKey(record.id), read_only=True)
        self._ledger.publish(record, "export")
        stack = contextlib.AsyncExitStack()
        stack.callback(os.close, descriptor)
        return hold_open(self._archiver.pack_tree(Root(descriptor=descriptor)), stack)

    def _find(self, ref: str, path: str) -> ContainerHandle:
        if not path:
            raise InvalidArgument("bad parameter: path cannot be empty")
        return self._catalogue.find(ref)

    @contextlib.asynccontextmanager
    async def _root(self, handle: ContainerHandle, *, write: bool = False) -> AsyncIterator[Root]:
        record = handle.record
        live = _open_live(record)
        if live is not None:
            try:
                yield Root(descriptor=live)
            finally:
                os.close(live)
            return
        key = SnapshotKey(record.id)
        mounts = _volume_mounts(record)
        # Mount points of volumes may have to be made first, so with volumes it is writable.
        mounted = await self._snapshotter.mount(key, read_only=not (write or mounts))
        try:
            yield Root(descriptor=mounted, mounts=mounts)
        finally:
            os.close(mounted)

    def _is_read_only(self, record: Container, path: str) -> bool:
        """Tell whether the root is read-only and no writable mount covers the path."""
        if not record.host_config.readonly_rootfs:
            return False
        inside = [m for m in record.mounts if (path.rstrip("/") + "/").startswith(m.destination)]
        return not any(mount.rw for mount in inside)


def _owner(root: Root, record: Container) -> tuple[int, int] | None:
    """The container's user as numbers, by its own passwd; None when it has none but root."""
    user = record.config.user
    if not user:
        return None
    files = [
        read_in_root(root.descriptor, path, limit=_MAX_PASSWD) or b""
        for path in ("/etc/passwd", "/etc/group")
    ]
    try:
        identity = passwd.resolve(user, *files)
    except passwd.LookupFailed as error:
        raise InvalidArgument(str(error)) from None
    return identity.uid, identity.gid


def _open_live(record: Container) -> int | None:
    """The root of a running container as its processes see it; None when it does not run."""
    if not has_process(record.state.status):
        return None
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        return os.open(f"/proc/{record.state.pid}/root", flags)
    except OSError:
        return None  # it ended meanwhile


def _volume_mounts(record: Container) -> list[RootMount]:
    return [
        RootMount(source=mount.source, destination=mount.destination, read_only=not mount.rw)
        for mount in record.mounts
        if mount.type in ("bind", "volume")
    ]


@contextlib.contextmanager
def _naming(path: str, ref: str) -> Iterator[None]:
    try:
        yield
    except NotFound:
        raise NotFound(f"Could not find the file {path} in container {ref}") from None
