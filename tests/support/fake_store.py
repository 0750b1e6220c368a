"""A store in memory: repositories over dicts, rolled back when a change raises."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from wharfie.model.build.records import CacheMount, StepRecord
from wharfie.model.container import Container
from wharfie.model.errors import Conflict, Unavailable
from wharfie.model.event import Event
from wharfie.model.ids import ChainId, ContainerId, ImageId, NetworkId, SnapshotKey
from wharfie.model.image import Image
from wharfie.model.network import Connection, Network
from wharfie.model.snapshot import LayerRecord
from wharfie.model.store import Transaction
from wharfie.model.volume import Volume

T = TypeVar("T")


class _Images:
    def __init__(self) -> None:
        self.rows: dict[ImageId, Image] = {}

    def put(self, image: Image) -> None:
        taken = set(image.tags) | set(image.digests)
        for other in list(self.rows.values()):
            self.rows[other.id] = replace(
                other,
                tags=[tag for tag in other.tags if tag not in taken],
                digests=[digest for digest in other.digests if digest not in taken],
            )
        self.rows[image.id] = image

    def delete(self, image_id: ImageId) -> None:
        self.rows.pop(image_id, None)

    def all(self) -> Sequence[Image]:
        return list(self.rows.values())


class _Snapshots:
    def __init__(self) -> None:
        self.number = 0
        self.layer_rows: dict[ChainId, LayerRecord] = {}
        self.rows: dict[SnapshotKey, tuple[int, ChainId | None]] = {}

    def next_number(self) -> int:
        self.number += 1
        return self.number

    def put_layer(self, layer: LayerRecord) -> None:
        if layer.chain_id in self.layer_rows:
            raise Conflict(f"layer {layer.chain_id} exists")
        self.layer_rows[layer.chain_id] = layer

    def delete_layer(self, chain_id: ChainId) -> None:
        self.layer_rows.pop(chain_id, None)

    def layers(self) -> Sequence[LayerRecord]:
        return list(self.layer_rows.values())

    def put_snapshot(self, key: SnapshotKey, number: int, parent: ChainId | None) -> None:
        if key in self.rows:
            raise Conflict(f"snapshot {key} exists")
        self.rows[key] = (number, parent)

    def delete_snapshot(self, key: SnapshotKey) -> None:
        self.rows.pop(key, None)

    def snapshots(self) -> dict[SnapshotKey, tuple[int, ChainId | None]]:
        return dict(self.rows)


class _Rows:
    """Containers, networks and volumes: a dict by a key."""

    def __init__(self, key: str) -> None:
        self._key = key
        self.rows: dict[str, Any] = {}
        self.joined: dict[ContainerId, Connection] = {}

    def put(self, row: Container | Network | Volume) -> None:
        self.rows[getattr(row, self._key)] = row

    def delete(self, key: ContainerId | NetworkId | str) -> None:
        self.rows.pop(key, None)
        self.joined.pop(ContainerId(key), None)

    def all(self) -> Sequence[Any]:
        return list(self.rows.values())

    def put_connection(self, container_id: ContainerId, connection: Connection | None) -> None:
        if connection is None:
            self.joined.pop(container_id, None)
        else:
            self.joined[container_id] = connection

    def connections(self) -> dict[ContainerId, Connection]:
        return dict(self.joined)


class _Events:
    def __init__(self) -> None:
        self.rows: list[Event] = []

    def append(self, events: Sequence[Event], *, keep: int) -> None:
        self.rows = [*self.rows, *events][-keep:]

    def last(self, count: int) -> Sequence[Event]:
        return self.rows[-count:]


class _Builds:
    def __init__(self) -> None:
        self.step_rows: dict[str, StepRecord] = {}
        self.mount_rows: dict[str, CacheMount] = {}

    def put_step(self, step: StepRecord) -> None:
        self.step_rows[step.id] = step

    def delete_step(self, step_id: str) -> None:
        self.step_rows.pop(step_id, None)

    def steps(self) -> Sequence[StepRecord]:
        return list(self.step_rows.values())

    def put_mount(self, mount: CacheMount) -> None:
        self.mount_rows[mount.id] = mount

    def delete_mount(self, mount_id: str) -> None:
        self.mount_rows.pop(mount_id, None)

    def mounts(self) -> Sequence[CacheMount]:
        return list(self.mount_rows.values())


class _Tables:
    def __init__(self) -> None:
        self.containers = _Rows("id")
        self.images = _Images()
        self.snapshots = _Snapshots()
        self.networks = _Rows("id")
        self.volumes = _Rows("name")
        self.events = _Events()
        self.builds = _Builds()


class FakeStore:
    """See `model.store.Store`; `fail` makes the next write fail after its change ran."""

    def __init__(self) -> None:
        self.tables: Transaction = _Tables()
        self.fail: Exception | None = None
        self.writes = 0

    async def write(self, change: Callable[[Transaction], T], *, durable: bool = False) -> T:
        self.writes += 1
        before = copy.deepcopy(self.tables)
        failure, self.fail = self.fail, None
        try:
            result = change(self.tables)
        except BaseException:
            self.tables = before
            raise
        if failure is not None:
            self.tables = before
            raise failure
        return result

    def fail_once(self) -> None:
        self.fail = Unavailable("the disk is full")

    def read(self, query: Callable[[Transaction], T]) -> T:
        return query(self.tables)
