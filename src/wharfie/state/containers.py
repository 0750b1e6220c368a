"""Rows of containers and of their live connections."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from wharfie.model.container import Container
from wharfie.model.errors import NameInUse
from wharfie.model.ids import ContainerId
from wharfie.model.network import Connection

_decoder = msgspec.json.Decoder(Container)
_connections = msgspec.json.Decoder(Connection)
_UPSERT = """
INSERT INTO container(id, name, created_at, body) VALUES(?, ?, ?, ?)
ON CONFLICT(id) DO UPDATE SET name = excluded.name, body = excluded.body
"""


class SqliteContainers:
    """See `model.store.ContainerRepository`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put(self, container: Container) -> None:
        """Insert or replace a container."""
        body = msgspec.json.encode(container)
        try:
            self._db.execute(_UPSERT, (container.id, container.name, container.created_at, body))
        except sqlite3.IntegrityError:
            raise NameInUse(container.name, self._holder(container.name)) from None

    def delete(self, container_id: ContainerId) -> None:
        """Remove a container, its connection and its exec instances."""
        self._db.execute("DELETE FROM container WHERE id = ?", (container_id,))
        self._db.execute("DELETE FROM connection WHERE container_id = ?", (container_id,))
        self._db.execute("DELETE FROM exec WHERE container_id = ?", (container_id,))

    def all(self) -> Sequence[Container]:
        """Every container, oldest first."""
        rows = self._db.execute("SELECT body FROM container ORDER BY created_at, id")
        return [_decoder.decode(body) for (body,) in rows]

    def put_connection(self, container_id: ContainerId, connection: Connection | None) -> None:
        """Record or forget what is live of a container's networking."""
        if connection is None:
            self._db.execute("DELETE FROM connection WHERE container_id = ?", (container_id,))
            return
        self._db.execute(
            "INSERT OR REPLACE INTO connection(container_id, body) VALUES(?, ?)",
            (container_id, msgspec.json.encode(connection)),
        )

    def connections(self) -> dict[ContainerId, Connection]:
        """Every recorded connection."""
        rows = self._db.execute("SELECT container_id, body FROM connection")
        return {ContainerId(key): _connections.decode(body) for key, body in rows}

    def _holder(self, name: str) -> str:
        row = self._db.execute("SELECT id FROM container WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""
