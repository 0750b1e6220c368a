"""Rows of events: the last ones, in order."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from wharfie.model.event import Event

_decoder = msgspec.json.Decoder(Event)


class SqliteEvents:
    """See `model.store.EventRepository`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def append(self, events: Sequence[Event], *, keep: int) -> None:
        """Insert events behind all others, and delete all but the last `keep`."""
        self._db.executemany(
            "INSERT INTO event(body) VALUES(?)", ((msgspec.json.encode(one),) for one in events)
        )
        self._db.execute(
            "DELETE FROM event WHERE number <= (SELECT MAX(number) FROM event) - ?", (keep,)
        )

    def last(self, count: int) -> Sequence[Event]:
        """The last `count` events, oldest first."""
        rows = self._db.execute(
            "SELECT body FROM (SELECT number, body FROM event ORDER BY number DESC LIMIT ?) "
            "ORDER BY number",
            (count,),
        )
        return [_decoder.decode(body) for (body,) in rows]
