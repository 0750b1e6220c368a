"""Rows of layers and writable snapshots, and the numbers of their directories."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from wharfie.model.errors import Conflict
from wharfie.model.ids import ChainId, SnapshotKey
from wharfie.model.snapshot import LayerRecord

_decoder = msgspec.json.Decoder(LayerRecord)
_NEXT = """
INSERT INTO counter(name, value) VALUES('snapshot', 1)
ON CONFLICT(name) DO UPDATE SET value = value + 1 RETURNING value
"""


class SqliteSnapshots:
    """See `model.store.SnapshotRepository`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def next_number(self) -> int:
        """A directory number never given before."""
        rows = self._db.execute(_NEXT).fetchall()
        return int(rows[0][0])

    def put_layer(self, layer: LayerRecord) -> None:
        """Insert a layer; Conflict when the chain ID is there."""
        try:
            self._db.execute(
                "INSERT INTO layer(chain_id, number, body) VALUES(?, ?, ?)",
                (layer.chain_id, layer.number, msgspec.json.encode(layer)),
            )
        except sqlite3.IntegrityError:
            raise Conflict(f"layer {layer.chain_id} exists") from None

    def delete_layer(self, chain_id: ChainId) -> None:
        """Remove a layer."""
        self._db.execute("DELETE FROM layer WHERE chain_id = ?", (chain_id,))

    def layers(self) -> Sequence[LayerRecord]:
        """Every layer."""
        return [_decoder.decode(body) for (body,) in self._db.execute("SELECT body FROM layer")]

    def put_snapshot(self, key: SnapshotKey, number: int, parent: ChainId | None) -> None:
        """Insert a writable snapshot; Conflict when the key is taken."""
        try:
            self._db.execute(
                "INSERT INTO snapshot(key, number, parent) VALUES(?, ?, ?)", (key, number, parent)
            )
        except sqlite3.IntegrityError:
            raise Conflict(f"snapshot {key} exists") from None

    def delete_snapshot(self, key: SnapshotKey) -> None:
        """Remove a writable snapshot."""
        self._db.execute("DELETE FROM snapshot WHERE key = ?", (key,))

    def snapshots(self) -> dict[SnapshotKey, tuple[int, ChainId | None]]:
        """Every writable snapshot: number and parent."""
        rows = self._db.execute("SELECT key, number, parent FROM snapshot")
        return {
            SnapshotKey(key): (number, ChainId(parent) if parent is not None else None)
            for key, number, parent in rows
        }
