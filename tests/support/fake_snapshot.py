"""A snapshotter without a file system: records only."""

from __future__ import annotations

import os
from collections.abc import Sequence

from msgspec import structs

from wharfie.model.errors import Conflict, Internal, NotFound
from wharfie.model.ids import ChainId, Digest, SnapshotKey
from wharfie.model.snapshot import Change, LayerRecord, LayerWriter, OverlayPaths


class FakeSnapshotter:
    """`filling` are directories begun and neither committed nor aborted."""

    def __init__(self) -> None:
        self.rows: dict[ChainId, LayerRecord] = {}
        self.snapshots: dict[SnapshotKey, ChainId | None] = {}
        self.filling: set[int] = set()
        self.number = 0
        self.synced: set[ChainId] = set()

    def layer(self, chain_id: ChainId) -> LayerRecord | None:
        return self.rows.get(chain_id)

    def layers(self) -> Sequence[LayerRecord]:
        return list(self.rows.values())

    def layer_directory(self, layer: LayerRecord) -> str:
        return f"/fake/{layer.number}/diff"

    async def begin_layer(self) -> LayerWriter:
        self.number += 1
        self.filling.add(self.number)
        return _FakeLayerWriter(self, self.number)

    async def sync(self) -> None:
        self.synced = set(self.rows)

    async def remove_layer(self, chain_id: ChainId) -> None:
        if any(layer.parent == chain_id for layer in self.rows.values()):
            raise Conflict(f"layer {chain_id} is in use")
        if chain_id in self.snapshots.values():
            raise Conflict(f"layer {chain_id} is in use")
        self.rows.pop(chain_id, None)

    async def prepare(self, key: SnapshotKey, parent: ChainId | None, *, limit: int = 0) -> None:
        if key in self.snapshots:
            raise Conflict(f"snapshot {key} exists")
        if parent is not None and parent not in self.rows:
            raise NotFound(f"layer {parent} does not exist")
        self.snapshots[key] = parent

    async def mount(
        self,
        key: SnapshotKey,
        *,
        read_only: bool = False,
        remapped: bool = False,
        label: str = "",
    ) -> int:
        self._get(key)
        return os.open(os.devnull, os.O_RDONLY)

    async def view(self, chain_id: ChainId, *, remapped: bool = False) -> int:
        if chain_id not in self.rows:
            raise NotFound(f"layer {chain_id} does not exist")
        return os.open(os.devnull, os.O_RDONLY)

    def paths(self, key: SnapshotKey) -> OverlayPaths:
        lower: list[str] = []
        parent = self._get(key)
        while parent is not None:
            layer = self.rows[parent]
            lower.append(self.layer_directory(layer))
            parent = layer.parent
        return OverlayPaths(
            lower=lower, upper=f"/fake/{key}/diff", work=f"/fake/{key}/work", merged=f"/fake/{key}"
        )

    async def usage(self, key: SnapshotKey) -> int:
        self._get(key)
        return 0

    async def changes(self, key: SnapshotKey) -> Sequence[Change]:
        self._get(key)
        return []

    async def remove(self, key: SnapshotKey) -> None:
        self.snapshots.pop(key, None)

    async def sweep(self, keep: Sequence[SnapshotKey]) -> None:
        self.snapshots = {key: self.snapshots[key] for key in self.snapshots if key in keep}
        self.filling.clear()

    def _get(self, key: SnapshotKey) -> ChainId | None:
        try:
            return self.snapshots[key]
        except KeyError:
            raise NotFound(f"snapshot {key} does not exist") from None


class _FakeLayerWriter:
    def __init__(self, owner: FakeSnapshotter, number: int) -> None:
        self._owner = owner
        self._number = number

    @property
    def directory(self) -> str:
        return f"/fake/{self._number}/diff"

    async def commit(
        self,
        *,
        chain_id: ChainId,
        diff_id: Digest,
        parent: ChainId | None,
        size: int,
        length: int = 0,
    ) -> LayerRecord:
        if self._number not in self._owner.filling:
            raise Internal("the layer was already committed or dropped")
        self._owner.filling.discard(self._number)
        if parent is not None and parent not in self._owner.rows:
            raise NotFound(f"layer {parent} does not exist")
        record = LayerRecord(
            chain_id=chain_id,
            diff_id=diff_id,
            parent=parent,
            number=self._number,
            size=size,
            length=length,
        )
        return self._owner.rows.setdefault(chain_id, record)

    async def replace(self, damaged: LayerRecord) -> LayerRecord:
        if damaged.chain_id not in self._owner.rows:
            raise NotFound(f"layer {damaged.chain_id} does not exist")
        self._owner.filling.discard(self._number)
        record = structs.replace(damaged, number=self._number)
        self._owner.rows[damaged.chain_id] = record
        return record

    async def abort(self) -> None:
        self._owner.filling.discard(self._number)
