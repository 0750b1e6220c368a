"""Results of steps by key: in memory, every change on disk; their layers are held.

A record is put only when its layer is committed and never names what is not there: one whose
layer was lost is dropped when it is looked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import structs

from wharfie.engine.images.making.building import BuildImages
from wharfie.model import clock
from wharfie.model.build.records import StepRecord
from wharfie.model.build.solver import SolvedLayer
from wharfie.model.ids import ChainId, generate_id
from wharfie.model.nursery import Nursery
from wharfie.model.snapshot import StepSnapshotter
from wharfie.model.store import Store, Transaction


class StepCache:
    """See the module. `open` before images are collected at start."""

    def __init__(
        self,
        store: Store,
        images: BuildImages,
        snapshots: StepSnapshotter,
        nursery: Nursery,
    ) -> None:
        self._store = store
        self._images = images
        self._snapshots = snapshots
        self._nursery = nursery
        self._records: dict[str, StepRecord] = {}
        self._keys: dict[str, str] = {}
        self._used: dict[str, StepRecord] = {}
        self._held: Counter[str] = Counter()

    def open(self) -> None:
        """At start: read all records and hold their layers."""
        for record in self._store.read(lambda tx: tx.builds.steps()):
            self._add(record)

    def find(self, key: str) -> StepRecord | None:
        """The result under a key, if all of it is there still."""
        record = self._records.get(self._keys.get(key, ""))
        if record is None:
            return None
        if any(self._snapshots.layer(layer.chain_id) is None for layer in record.layers):
            self._nursery.start(self._lose(record), "removal of a build result without layers")
            return None
        return record

    def get(self, record_id: str) -> StepRecord | None:
        """A record by its ID."""
        return self._records.get(record_id)

    def all(self) -> Sequence[StepRecord]:
        """Every record."""
        return list(self._records.values())

    def keys_by_layer(self) -> dict[ChainId, list[list[str]]]:
        """Keys of each result by its topmost layer; the key that stands for it comes first."""
        found: dict[ChainId, list[list[str]]] = {}
        for record in self._records.values():
            if record.layers:
                others = [key for key in record.keys if key != record.key]
                keys = found.setdefault(record.layers[-1].chain_id, [])
                keys.append([record.key, *others])
        return found

    def is_held(self, record: StepRecord) -> bool:
        """Tell whether a build holds it just now."""
        return record.id in self._held

    def hold(self, record_id: str) -> None:
        """A build stands on it until `release`."""
        self._held[record_id] += 1

    def release(self, record_ids: Iterable[str]) -> None:
        """No more."""
        self._held.subtract(record_ids)
        self._held += Counter()

    def touch(self, record: StepRecord) -> None:
        """A build found a use for it, and so for all it stands on; recorded in the background."""
        now = clock.now()
        todo, seen = [record.id], {""}
        while todo:
            record_id = todo.pop()
            known = self._records.get(record_id)
            if known is None or record_id in seen:
                continue
            seen.add(record_id)
            todo += known.parents
            used = structs.replace(known, used=now, uses=known.uses + (known.id == record.id))
            self._records[record_id] = used
            if not self._used:
                self._nursery.start(self._write_uses(), "recording uses of the build cache")
            self._used[record_id] = used

    async def put(
        self,
        key: str,
        keys: Iterable[str],
        layers: list[SolvedLayer],
        *,
        parents: Sequence[str],
        description: str,
    ) -> StepRecord:
        """Record a result; its keys are taken from older ones. The caller holds its layers."""
        now = clock.now()
        record = StepRecord(
            id=generate_id(),
            key=key,
            keys=sorted({key, *keys}),
            layers=layers,
            parents=[parent for parent in parents if parent],
            description=description,
            created=now,
            used=now,
        )
        replaced = {self._keys[one] for one in record.keys if one in self._keys}
        changed = [
            structs.replace(old, keys=[one for one in old.keys if one not in record.keys])
            for old in (self._records[one] for one in replaced)
        ]
        self._add(record)
        for old in changed:
            self._records[old.id] = old
        lost = [old for old in changed if not old.keys]

        def commit(tx: Transaction) -> None:
            for old in changed:
                tx.builds.put_step(old)
            tx.builds.put_step(record)

        await self._store.write(commit)
        if lost:
            await self.drop(lost)
        return record

    async def add_key(self, record: StepRecord, key: str) -> None:
        """Let a record be found under another key, too."""
        known = self._records.get(record.id)
        if known is None or key in self._keys:
            return
        changed = structs.replace(known, keys=[*known.keys, key])
        self._records[record.id] = changed
        self._keys[key] = record.id
        await self._store.write(lambda tx: tx.builds.put_step(changed))

    async def drop(self, records: Sequence[StepRecord]) -> list[str]:
        """Forget records and let go of their layers; returns the layers deleted."""
        gone = [self._records.pop(one.id) for one in records if one.id in self._records]
        for record in gone:
            self._used.pop(record.id, None)
            for key in record.keys:
                if self._keys.get(key) == record.id:
                    del self._keys[key]

        def commit(tx: Transaction) -> None:
            for record in gone:
                tx.builds.delete_step(record.id)

        await self._store.write(commit)
        chains = [layer.chain_id for record in gone for layer in record.layers]
        return [str(chain) for chain in await self._images.let_go(chains)]

    async def _lose(self, record: StepRecord) -> None:
        await self.drop([record])

    def _add(self, record: StepRecord) -> None:
        self._records[record.id] = record
        for key in record.keys:
            self._keys[key] = record.id
        self._images.keep([layer.chain_id for layer in record.layers])

    async def _write_uses(self) -> None:
        used, self._used = self._used, {}

        def commit(tx: Transaction) -> None:
            for record in used.values():
                tx.builds.put_step(record)

        if used:
            await self._store.write(commit)
