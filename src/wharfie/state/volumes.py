"""Rows of volumes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from wharfie.model.volume import Volume

_decoder = msgspec.json.Decoder(Volume)


class SqliteVolumes:
    """See `model.store.VolumeRepository`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put(self, volume: Volume) -> None:
        """Insert or replace."""
        self._db.execute(
            "INSERT OR REPLACE INTO volume(name, body) VALUES(?, ?)",
            (volume.name, msgspec.json.encode(volume)),
        )

    def delete(self, name: str) -> None:
        """Remove."""
        self._db.execute("DELETE FROM volume WHERE name = ?", (name,))

    def all(self) -> Sequence[Volume]:
        """Every volume."""
        rows = self._db.execute("SELECT body FROM volume ORDER BY name")
        return [_decoder.decode(body) for (body,) in rows]
