"""Rows of exec instances."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from wharfie.model.exec import Exec
from wharfie.model.ids import ExecId

_decoder = msgspec.json.Decoder(Exec)


class SqliteExecs:
    """See `model.store.ExecRepository`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put(self, exec_: Exec) -> None:
        """Insert or replace."""
        self._db.execute(
            "INSERT OR REPLACE INTO exec(id, container_id, body) VALUES(?, ?, ?)",
            (exec_.id, exec_.container_id, msgspec.json.encode(exec_)),
        )

    def delete(self, exec_id: ExecId) -> None:
        """Remove."""
        self._db.execute("DELETE FROM exec WHERE id = ?", (exec_id,))

    def all(self) -> Sequence[Exec]:
        """Every instance."""
        return [_decoder.decode(body) for (body,) in self._db.execute("SELECT body FROM exec")]
