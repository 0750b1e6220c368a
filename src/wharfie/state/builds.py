"""Rows of what builds left: results of steps, cache mounts."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from wharfie.model.build.records import CacheMount, StepRecord

_steps = msgspec.json.Decoder(StepRecord)
_mounts = msgspec.json.Decoder(CacheMount)


class SqliteBuilds:
    """See `model.store.BuildRepository`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put_step(self, step: StepRecord) -> None:
        """Insert or replace."""
        self._db.execute(
            "INSERT OR REPLACE INTO build_step(id, body) VALUES(?, ?)",
            (step.id, msgspec.json.encode(step)),
        )

    def delete_step(self, step_id: str) -> None:
        """Remove."""
        self._db.execute("DELETE FROM build_step WHERE id = ?", (step_id,))

    def steps(self) -> Sequence[StepRecord]:
        """Every result."""
        return [_steps.decode(body) for (body,) in self._db.execute("SELECT body FROM build_step")]

    def put_mount(self, mount: CacheMount) -> None:
        """Insert or replace."""
        self._db.execute(
            "INSERT OR REPLACE INTO build_mount(id, body) VALUES(?, ?)",
            (mount.id, msgspec.json.encode(mount)),
        )

    def delete_mount(self, mount_id: str) -> None:
        """Remove."""
        self._db.execute("DELETE FROM build_mount WHERE id = ?", (mount_id,))

    def mounts(self) -> Sequence[CacheMount]:
        """Every cache mount."""
        rows = self._db.execute("SELECT body FROM build_mount")
        return [_mounts.decode(body) for (body,) in rows]
