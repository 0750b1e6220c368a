"""The store: one writer thread, group commits, reads from memory elsewhere.

Changes that wait at the same time share one commit, each in a savepoint of its own: sixteen
containers started together pay for one flush. Errors of one change leave the others alone.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

from wharfie.model.errors import Unavailable
from wharfie.model.store import Transaction
from wharfie.state.builds import SqliteBuilds
from wharfie.state.containers import SqliteContainers
from wharfie.state.events import SqliteEvents
from wharfie.state.execs import SqliteExecs
from wharfie.state.images import SqliteImages
from wharfie.state.networks import SqliteNetworks
from wharfie.state.schema import migrate
from wharfie.state.snapshots import SqliteSnapshots
from wharfie.state.volumes import SqliteVolumes

T = TypeVar("T")
_GROUP = 64


class SqliteTransaction:
    """The repositories of one open transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.containers = SqliteContainers(db)
        self.images = SqliteImages(db)
        self.snapshots = SqliteSnapshots(db)
        self.networks = SqliteNetworks(db)
        self.volumes = SqliteVolumes(db)
        self.execs = SqliteExecs(db)
        self.events = SqliteEvents(db)
        self.builds = SqliteBuilds(db)


class _Request(NamedTuple):
    change: Callable[[Transaction], object]
    durable: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[object]


class _Outcome(NamedTuple):
    request: _Request
    result: object
    error: BaseException | None


class SqliteStore:
    """`engine.db`: see `model.store.Store`. Open before the loop's first verb, close last."""

    def __init__(self, path: str) -> None:
        """Open (or make) the file and start the writer; Unavailable when it cannot be used."""
        self._path = path
        self._queue: SimpleQueue[_Request | None] = SimpleQueue()
        self._reader = _open(path)
        self._thread = threading.Thread(target=self._serve, name="state-writer", daemon=True)
        self._thread.start()

    async def write(self, change: Callable[[Transaction], T], *, durable: bool = False) -> T:
        """Run `change` in a transaction; see `model.store.Store.write`.

        A caller that is cancelled has no effect on the commit, which happens all the same.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[object] = loop.create_future()
        self._queue.put(_Request(change, durable, loop, future))
        return await future  # type: ignore[return-value]  # the future carries change's result

    def read(self, query: Callable[[Transaction], T]) -> T:
        """Run a read on the calling thread (that of the constructor)."""
        return query(SqliteTransaction(self._reader))

    def close(self) -> None:
        """Finish queued writes and close the file; idempotent."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self._reader.close()

    def _serve(self) -> None:
        db = _connect(self._path)
        tx = SqliteTransaction(db)
        more = True
        while more:
            group, more = self._next_group()
            if group:
                _deliver(_commit(db, tx, group))
        db.close()

    def _next_group(self) -> tuple[list[_Request], bool]:
        first = self._queue.get()
        if first is None:
            return [], False
        group = [first]
        while len(group) < _GROUP and not self._queue.empty():
            following = self._queue.get()
            if following is None:
                return group, False
            group.append(following)
        return group, True


def _open(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    try:
        _prepare(db)
        migrate(db, path)
    except (sqlite3.Error, Unavailable) as error:
        db.close()
        if isinstance(error, Unavailable):
            raise
        raise Unavailable(f"cannot open the engine's state {path}: {error}") from error
    return db


def _connect(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    _prepare(db)
    return db


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")


def _commit(db: sqlite3.Connection, tx: SqliteTransaction, group: list[_Request]) -> list[_Outcome]:
    durable = any(request.durable for request in group)
    try:
        db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        db.execute("BEGIN IMMEDIATE")
        outcomes = [_apply(db, tx, request) for request in group]
        db.execute("COMMIT")
    except sqlite3.Error as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        failure = Unavailable(f"cannot record the engine's state: {error}")
        return [_Outcome(request, None, failure) for request in group]
    return outcomes


def _apply(db: sqlite3.Connection, tx: SqliteTransaction, request: _Request) -> _Outcome:
    db.execute("SAVEPOINT change")
    try:
        result = request.change(tx)
    except sqlite3.OperationalError:
        raise  # the file itself failed (disk full, I/O): the whole group rolls back
    except Exception as error:  # noqa: BLE001 - raised again in the caller that sent the change
        db.execute("ROLLBACK TO change")
        return _Outcome(request, None, error)
    finally:
        if db.in_transaction:
            db.execute("RELEASE change")
    return _Outcome(request, result, None)


def _deliver(outcomes: list[_Outcome]) -> None:
    for outcome in outcomes:
        try:
            outcome.request.loop.call_soon_threadsafe(_resolve, outcome)
        except RuntimeError:
            continue  # the loop closed under a write nobody waits for


def _resolve(outcome: _Outcome) -> None:
    future = outcome.request.future
    if future.done():
        return
    if outcome.error is not None:
        future.set_exception(outcome.error)
    else:
        future.set_result(outcome.result)
