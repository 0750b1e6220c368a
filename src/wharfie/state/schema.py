"""The tables, and how an older file is brought up to date.

    container(id PK, name UNIQUE, created_at, body)      body: model.Container as JSON
    connection(container_id PK, body)                    body: model.Connection as JSON
    image(id PK, body)                                   body: model.Image as JSON
    reference(name PK, image_id, by_digest)              one row a tag or digest reference
    layer(chain_id PK, number UNIQUE, body)              body: model.LayerRecord as JSON
    snapshot(key PK, number UNIQUE, parent)              writable layers
    counter(name PK, value)                              directory numbers never given twice
    network(id PK, name, body)                           body: model.Network as JSON
    volume(name PK, body)                                body: model.Volume as JSON
    exec(id PK, container_id, body)                      body: model.Exec as JSON
    event(number PK, body)                               body: model.Event as JSON; the last ones
    build_step(id PK, body)                              body: model.build.StepRecord as JSON
    build_mount(id PK, body)                             body: model.build.CacheMount as JSON

What is searched by is a column of its own, the rest is one JSON document. Rows point to files,
never the other way round. `user_version` counts migrations; a file from a newer engine is
refused, not guessed at.
"""

from __future__ import annotations

import sqlite3

from wharfie.model.errors import Unavailable

_MIGRATIONS = (
    """
    CREATE TABLE container(
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL,
        body BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE connection(container_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE image(id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE reference(
        name TEXT PRIMARY KEY, image_id TEXT NOT NULL, by_digest INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX reference_image ON reference(image_id);
    CREATE TABLE layer(
        chain_id TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, body BLOB NOT NULL
        ) WITHOUT ROWID;
    CREATE TABLE snapshot(
        key TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, parent TEXT) WITHOUT ROWID;
    CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE network(id TEXT PRIMARY KEY, name TEXT NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE volume(name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
    """,
    """
    CREATE TABLE exec(
        id TEXT PRIMARY KEY, container_id TEXT NOT NULL, body BLOB NOT NULL) WITHOUT ROWID;
    CREATE INDEX exec_container ON exec(container_id);
    """,
    """
    CREATE TABLE event(number INTEGER PRIMARY KEY, body BLOB NOT NULL);
    """,
    """
    CREATE TABLE build_step(id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE build_mount(id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
    """,
)


def migrate(db: sqlite3.Connection, path: str) -> None:
    """Bring the file behind `db` to the newest schema, one migration a transaction.

    Raises:
        Unavailable: the file was written by a newer engine.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(_MIGRATIONS):
        raise Unavailable(
            f"{path} was written by a newer engine (schema {version}, this one knows "
            f"{len(_MIGRATIONS)}): start the newer engine, or use another --data-root"
        )
    for number in range(version, len(_MIGRATIONS)):
        db.executescript(f"BEGIN;{_MIGRATIONS[number]}PRAGMA user_version={number + 1};COMMIT;")
