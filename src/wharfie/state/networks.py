"""Rows of networks."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from wharfie.model.ids import NetworkId
from wharfie.model.network import Network

_decoder = msgspec.json.Decoder(Network)


class SqliteNetworks:
    """See `model.store.NetworkRepository`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put(self, network: Network) -> None:
        """Insert or replace."""
        self._db.execute(
            "INSERT OR REPLACE INTO network(id, name, body) VALUES(?, ?, ?)",
            (network.id, network.name, msgspec.json.encode(network)),
        )

    def delete(self, network_id: NetworkId) -> None:
        """Remove."""
        self._db.execute("DELETE FROM network WHERE id = ?", (network_id,))

    def all(self) -> Sequence[Network]:
        """Every network."""
        rows = self._db.execute("SELECT body FROM network ORDER BY id")
        return [_decoder.decode(body) for (body,) in rows]
