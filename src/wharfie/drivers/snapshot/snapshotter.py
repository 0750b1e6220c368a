"""The overlay snapshotter.

    <data-root>/
    ├── snapshots/
    │   ├── empty/          what a root file system without layers stands on
    │   └── <n>/diff        files of a layer, or of a container's writable layer
    │       └── work        overlay's own, writable ones only
    └── tmp/trash-*         being deleted

Rows name directories, never the other way round: a directory is made, then its row; a row is
deleted, then its directory. What no row knows is deleted at start. The records are held in
memory; they change before the first await of a verb, so that no two verbs see different truths.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator, Sequence

from msgspec import structs

from wharfie.drivers.snapshot.changes import list_changes
from wharfie.drivers.snapshot.overlay import EMPTY, Mounter, Stack
from wharfie.drivers.snapshot.steps import LayerUses, OverlayStepWriter
from wharfie.kernel.projects import limit_directory
from wharfie.kernel.sync import sync_file_system
from wharfie.kernel.trees import Trash, measure_tree
from wharfie.model.errors import Conflict, Internal, InvalidArgument, NotFound
from wharfie.model.ids import ChainId, Digest, SnapshotKey
from wharfie.model.remapping import Remapping
from wharfie.model.snapshot import Change, LayerRecord, LayerWriter, OverlayPaths, StepWriter
from wharfie.model.store import Store, Transaction

_NUMBERS_AT_ONCE = 32
_FIRST_PROJECT = 1 << 24
"""Project numbers of limited layers begin here; those below are people's."""
_log = logging.getLogger(__name__)


class OverlaySnapshotter:
    """See `model.snapshot.Snapshotter`. `open` before the first verb, `close` after the last."""

    def __init__(
        self,
        data_root: str,
        store: Store,
        *,
        legacy_mount: bool | None = None,
        sync: bool = True,
        remapping: Remapping | None = None,
    ) -> None:
        """Begin; touches nothing.

        Args:
            data_root: absolute path.
            store: where the rows are.
            legacy_mount: see `Mounter`.
            sync: have a layer's files on the disk before its row.
            remapping: what `remapped` mounts get, None where there are none.
        """
        self._directory = os.path.join(data_root, "snapshots")
        self._tmp = os.path.join(data_root, "tmp")
        self._store = store
        self._legacy_mount = legacy_mount
        self._sync = sync
        self._remapping = remapping
        self._mapped: Mounter | None = None
        self._layers: dict[ChainId, LayerRecord] = {}
        self._snapshots: dict[SnapshotKey, tuple[int, ChainId | None]] = {}
        self._numbers: list[int] = []
        self._filling: set[int] = set()
        self._sealed: dict[ChainId, LayerRecord] = {}
        self._uses = LayerUses(self._throw_filling)
        self._unsynced = False
        self._syncing = asyncio.Lock()

    async def open(self) -> None:
        """Make directories, read rows, find out how this kernel mounts."""
        await asyncio.to_thread(self._make_directories)
        self._layers = {
            layer.chain_id: layer for layer in self._store.read(lambda tx: tx.snapshots.layers())
        }
        self._snapshots = self._store.read(lambda tx: tx.snapshots.snapshots())
        self._trash = Trash(self._tmp)
        self._mounter = await asyncio.to_thread(
            lambda: Mounter(self._directory, self._tmp, legacy=self._legacy_mount)
        )
        if self._remapping is not None:
            self._mapped = Mounter(
                self._directory,
                self._tmp,
                legacy=self._mounter.is_legacy,
                remapping=self._remapping,
            )

    async def close(self) -> None:
        """Stop deleting; mounts made live on."""
        await asyncio.to_thread(self._trash.close)
        await asyncio.to_thread(self._mounter.close)
        if self._mapped is not None:
            await asyncio.to_thread(self._mapped.close)

    async def settle(self) -> None:
        """Wait until everything removed so far is deleted from the disk."""
        await asyncio.wrap_future(self._trash.settle())

    def layer(self, chain_id: ChainId) -> LayerRecord | None:
        """A committed layer, None when it is not there."""
        return self._layers.get(chain_id)

    def layers(self) -> Sequence[LayerRecord]:
        """All committed layers."""
        return list(self._layers.values())

    def layer_directory(self, layer: LayerRecord) -> str:
        """Absolute path of a layer's files, overlay whiteouts included."""
        return self._path(layer.number, "diff")

    async def begin_layer(self) -> LayerWriter:
        """Begin to unpack a layer; where it stands is told at its commit."""
        number = await self._next_number()
        self._filling.add(number)
        making = asyncio.get_running_loop().run_in_executor(None, self._make_layer, number)
        try:
            await asyncio.shield(making)
        except BaseException:
            # Cancelled, the thread goes on: what it makes is dropped when it is there.
            making.add_done_callback(lambda _: self._throw_filling(number))
            raise
        return _OverlayLayerWriter(self, number)

    async def begin_step(self, parent: ChainId | None) -> StepWriter:
        """Begin a layer on top of another one; see `model.snapshot.StepSnapshotter`."""
        lower = list(self._chain(parent)) if parent is None or self._find(parent) else None
        if lower is None:
            raise NotFound(f"layer {parent} does not exist")
        uses = self._uses.begin([layer.number for layer in lower])
        try:
            number = await self._next_number()
            self._filling.add(number)
            # What a cancelled thread makes stays until the next start.
            await asyncio.to_thread(self._make_writable, number, lower[0] if lower else None)
        except BaseException:
            self._uses.end(uses)
            raise
        return OverlayStepWriter(self, number, parent=parent, lower=uses)

    async def mount_step(self, number: int, lower: Sequence[int], *, remapped: bool) -> int:
        """Mount a step's layer on top of others; for `OverlayStepWriter`."""
        below = [f"{other}/diff" for other in lower] or [EMPTY]
        stack = Stack(lower=below, upper=f"{number}/diff", work=f"{number}/work")
        return await self._choose(remapped).mount(stack)

    async def seal_step(self, record: LayerRecord) -> None:
        """Let others stand on a step's layer before its commit; for `OverlayStepWriter`."""
        self._sealed[record.chain_id] = record
        await asyncio.to_thread(self._trash.throw, self._path(record.number, "work"))

    def end_step(self, lower: Sequence[int], sealed: ChainId, kept: LayerRecord | None) -> None:
        """A step stands on its lower layers no more; for `OverlayStepWriter`.

        Args:
            lower: those.
            sealed: its provisional name, "" for none.
            kept: what it stands for from now on; None for nothing.
        """
        self._uses.end(lower)
        if kept is not None and sealed:
            self._sealed[sealed] = kept
        else:
            self._sealed.pop(sealed, None)

    async def remove_layer(self, chain_id: ChainId) -> None:
        """Delete a layer nothing refers to; idempotent.

        Raises:
            Conflict: a layer or a writable snapshot stands on it.
        """
        layer = self._layers.get(chain_id)
        if layer is None:
            return
        if self._is_parent(chain_id):
            raise Conflict(f"layer {chain_id} is in use")
        del self._layers[chain_id]
        await self._store.write(lambda tx: tx.snapshots.delete_layer(chain_id))
        await asyncio.to_thread(self._trash.throw, self._path(layer.number))

    async def prepare(self, key: SnapshotKey, parent: ChainId | None, *, limit: int = 0) -> None:
        """Make a writable snapshot on top of `parent` (None: on nothing)."""
        if key in self._snapshots:
            raise Conflict(f"snapshot {key} exists")
        number = self._numbers.pop() if self._numbers else await self._next_number()
        if key in self._snapshots:
            raise Conflict(f"snapshot {key} exists")
        if parent is not None and parent not in self._layers:
            raise NotFound(f"layer {parent} does not exist")
        self._snapshots[key] = (number, parent)
        try:
            top = None if parent is None else self._layers.get(parent)
            await asyncio.to_thread(self._make_writable, number, top)
            if limit:
                await asyncio.to_thread(self._limit, number, limit)
            await self._store.write(lambda tx: tx.snapshots.put_snapshot(key, number, parent))
        except BaseException:
            # A cancelled write is committed all the same: take the row back.
            del self._snapshots[key]
            self._trash.throw(self._path(number))
            await self._store.write(lambda tx: tx.snapshots.delete_snapshot(key))
            raise

    async def mount(
        self,
        key: SnapshotKey,
        *,
        read_only: bool = False,
        remapped: bool = False,
        label: str = "",
    ) -> int:
        """Mount a writable snapshot, detached; returns a descriptor the caller closes."""
        number, parent = self._get(key)
        lower = [f"{layer.number}/diff" for layer in self._chain(parent)] or [EMPTY]
        return await self._choose(remapped).mount(
            Stack(
                lower=lower,
                upper=f"{number}/diff",
                work=f"{number}/work",
                read_only=read_only,
                label=label,
            )
        )

    async def view(self, chain_id: ChainId, *, remapped: bool = False) -> int:
        """Mount the layers of an image read-only, detached; the caller closes the descriptor."""
        if self._find(chain_id) is None:
            raise NotFound(f"layer {chain_id} does not exist")
        lower = [f"{layer.number}/diff" for layer in self._chain(chain_id)]
        # Overlay wants two layers where there is no writable one.
        mounter = self._choose(remapped)
        return await mounter.mount(Stack(lower=lower if len(lower) > 1 else [*lower, EMPTY]))

    def _choose(self, remapped: bool) -> Mounter:
        return self._mapped if remapped and self._mapped is not None else self._mounter

    def paths(self, key: SnapshotKey) -> OverlayPaths:
        """Where a snapshot's directories are."""
        number, parent = self._get(key)
        return OverlayPaths(
            lower=[self.layer_directory(layer) for layer in self._chain(parent)],
            upper=self._path(number, "diff"),
            work=self._path(number, "work"),
            merged=self._path(number, "merged"),
        )

    async def usage(self, key: SnapshotKey) -> int:
        """Bytes used by a writable snapshot."""
        number, _ = self._get(key)
        return await asyncio.to_thread(measure_tree, self._path(number, "diff"))

    async def changes(self, key: SnapshotKey) -> Sequence[Change]:
        """What a writable snapshot changed, parents included, sorted by path."""
        paths = self.paths(key)
        return await asyncio.to_thread(list_changes, paths.upper, paths.lower)

    async def remove(self, key: SnapshotKey) -> None:
        """Delete a writable snapshot: renamed away at once, unlinked in the background."""
        found = self._snapshots.pop(key, None)
        if found is None:
            return
        await self._store.write(lambda tx: tx.snapshots.delete_snapshot(key))
        await asyncio.to_thread(self._trash.throw, self._path(found[0]))

    async def sweep(self, keep: Sequence[SnapshotKey]) -> None:
        """At start: delete directories no row knows and writable snapshots not in `keep`."""
        wanted = set(keep)
        stale = [key for key in self._snapshots if key not in wanted]
        for key in stale:
            del self._snapshots[key]
        present = set(await asyncio.to_thread(os.listdir, self._directory))
        lost = [layer for layer in self._layers.values() if str(layer.number) not in present]
        for layer in lost:
            _log.warning("layer %s has lost its directory %d", layer.chain_id, layer.number)
            del self._layers[layer.chain_id]

        def forget(tx: Transaction) -> None:
            for key in stale:
                tx.snapshots.delete_snapshot(key)
            for layer in lost:
                tx.snapshots.delete_layer(layer.chain_id)

        if stale or lost:
            await self._store.write(forget)
        known = {EMPTY, *(str(layer.number) for layer in self._layers.values())}
        known |= {str(number) for number, _ in self._snapshots.values()}
        known |= {str(number) for number in self._filling}
        await asyncio.to_thread(self._throw_away, sorted(present - known))

    async def sync(self) -> None:
        """Have the files of layers committed so far on the disk."""
        async with self._syncing:
            if self._unsynced:
                self._unsynced = False
                try:
                    await asyncio.to_thread(sync_file_system, self._directory)
                except BaseException:
                    self._unsynced = True
                    raise

    async def commit_layer(self, record: LayerRecord) -> LayerRecord:
        """Publish a filled directory as a layer; for `_OverlayLayerWriter`.

        Raises:
            NotFound: its parent is not there (any more).
        """
        self._unsynced = self._sync
        if record.parent is not None and record.parent not in self._layers:
            raise NotFound(f"layer {record.parent} does not exist")
        first = self._layers.setdefault(record.chain_id, record)
        if first is not record:
            return first
        try:
            await self._store.write(lambda tx: tx.snapshots.put_layer(record))
        except BaseException:
            # A cancelled write is committed all the same: take the row back.
            del self._layers[record.chain_id]
            await self._store.write(lambda tx: tx.snapshots.delete_layer(record.chain_id))
            raise
        self._filling.discard(record.number)
        return record

    async def replace_layer(self, record: LayerRecord) -> None:
        """Publish a filled directory in place of a damaged layer; for `_OverlayLayerWriter`.

        Raises:
            NotFound: that layer is not there (any more).
        """
        if self._sync:
            await asyncio.to_thread(sync_file_system, self._path(record.number))
        damaged = self._layers.get(record.chain_id)
        if damaged is None:
            raise NotFound(f"layer {record.chain_id} does not exist")
        self._layers[record.chain_id] = record

        def change(tx: Transaction) -> None:
            tx.snapshots.delete_layer(record.chain_id)
            tx.snapshots.put_layer(record)

        await self._store.write(change, durable=True)
        self._filling.discard(record.number)
        await asyncio.to_thread(self._trash.throw, self._path(damaged.number))

    async def drop_layer(self, number: int) -> None:
        """Delete a directory that did not become a layer, once no step stands on it."""
        if not self._uses.doom(number):
            await asyncio.to_thread(self._throw_filling, number)

    def _throw_filling(self, number: int) -> None:
        self._filling.discard(number)
        self._trash.throw(self._path(number))

    def _get(self, key: SnapshotKey) -> tuple[int, ChainId | None]:
        try:
            return self._snapshots[key]
        except KeyError:
            raise NotFound(f"snapshot {key} does not exist") from None

    def _chain(self, top: ChainId | None) -> Iterator[LayerRecord]:
        """A layer and those below, top first."""
        while top is not None:
            layer = self._find(top)
            if layer is None:
                raise Internal(f"layer {top} is missing: load or pull the image again")
            yield layer
            top = layer.parent

    def _find(self, chain_id: ChainId) -> LayerRecord | None:
        return self._layers.get(chain_id) or self._sealed.get(chain_id)

    def _is_parent(self, chain_id: ChainId) -> bool:
        return any(layer.parent == chain_id for layer in self._layers.values()) or any(
            parent == chain_id for _, parent in self._snapshots.values()
        )

    async def _next_number(self) -> int:
        """A number for a directory; taken from the store in bunches."""
        if not self._numbers:
            fresh = await self._store.write(_take_numbers)
            self._numbers.extend(reversed(fresh))
        return self._numbers.pop()

    def _path(self, number: int, name: str = "") -> str:
        return os.path.join(self._directory, str(number), name).rstrip("/")

    def _make_directories(self) -> None:
        os.makedirs(self._directory, mode=0o710, exist_ok=True)
        os.makedirs(self._tmp, mode=0o700, exist_ok=True)
        os.makedirs(os.path.join(self._directory, EMPTY), mode=0o755, exist_ok=True)

    def _make_layer(self, number: int) -> None:
        os.mkdir(self._path(number), mode=0o710)
        _make_root(self._path(number, "diff"))

    def _make_writable(self, number: int, layer: LayerRecord | None) -> None:
        """Make a directory that looks like the layer below it, if there is one."""
        self._make_layer(number)
        os.mkdir(self._path(number, "work"), mode=0o700)
        if layer is not None:
            # The merged root directory looks like the topmost one.
            status = os.stat(self.layer_directory(layer))
            upper = self._path(number, "diff")
            os.chown(upper, status.st_uid, status.st_gid)
            os.chmod(upper, status.st_mode & 0o7777)

    def _limit(self, number: int, size: int) -> None:
        """Let a writable layer hold no more than `size` bytes; numbers are never given twice."""
        try:
            for name in (".", "diff", "work"):
                limit_directory(self._path(number, name), _FIRST_PROJECT + number, size)
        except OSError as error:
            raise InvalidArgument(
                "--storage-opt is supported only for overlay over xfs with 'pquota' mount option "
                f"(here: {(error.strerror or str(error)).lower()})"
            ) from None

    def _throw_away(self, names: list[str]) -> None:
        self._trash.empty()
        for name in names:
            self._trash.throw(os.path.join(self._directory, name))


class _OverlayLayerWriter:
    """A layer's directory on its way to become a layer."""

    def __init__(self, snapshotter: OverlaySnapshotter, number: int) -> None:
        self._snapshotter = snapshotter
        self._number = number
        self._open = True
        record = LayerRecord(
            chain_id=ChainId(""), diff_id=Digest(""), parent=None, number=number, size=0
        )
        self._directory = snapshotter.layer_directory(record)

    @property
    def directory(self) -> str:
        """Absolute path of the directory to fill."""
        return self._directory

    async def commit(
        self,
        *,
        chain_id: ChainId,
        diff_id: Digest,
        parent: ChainId | None,
        size: int,
        length: int = 0,
    ) -> LayerRecord:
        """Publish the layer; if another writer was first, its layer is kept and ours dropped."""
        if not self._open:
            raise Internal("the layer was already committed or dropped")
        record = LayerRecord(
            chain_id=chain_id,
            diff_id=diff_id,
            parent=parent,
            number=self._number,
            size=size,
            length=length,
        )
        try:
            kept = await self._snapshotter.commit_layer(record)
        except BaseException:
            await self.abort()
            raise
        if kept is record:
            self._open = False
        else:
            await self.abort()
        return kept

    async def replace(self, damaged: LayerRecord) -> LayerRecord:
        """Publish in place of a layer whose files are damaged; those are deleted."""
        if not self._open:
            raise Internal("the layer was already committed or dropped")
        record = structs.replace(damaged, number=self._number)
        await self._snapshotter.replace_layer(record)
        self._open = False
        return record

    async def abort(self) -> None:
        """Drop it; after a commit nothing happens."""
        if self._open:
            self._open = False
            await self._snapshotter.drop_layer(self._number)


def _take_numbers(tx: Transaction) -> list[int]:
    return [tx.snapshots.next_number() for _ in range(_NUMBERS_AT_ONCE)]


def _make_root(path: str) -> None:
    os.mkdir(path)
    # Whatever the daemon's umask: this becomes a container's /.
    os.chmod(path, 0o755)  # noqa: S103 - as every root directory
