"""The SQLite store: commits, isolation of failures, references, numbers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from wharfie.model.container import Config, Container, HostConfig
from wharfie.model.errors import NameInUse, Unavailable
from wharfie.model.event import Actor, Event
from wharfie.model.ids import ChainId, ContainerId, Digest, ImageId, SnapshotKey, generate_id
from wharfie.model.image import Image, ImageDocument
from wharfie.model.network import Connection
from wharfie.model.snapshot import LayerRecord
from wharfie.state import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "engine.db")


@pytest.fixture
def store(path: str) -> Iterator[SqliteStore]:
    opened = SqliteStore(path)
    yield opened
    opened.close()


def a_container(name: str, created_at: int = 0) -> Container:
    return Container(
        id=ContainerId(generate_id()),
        name=name,
        created="2026-01-01T00:00:00.000000000Z",
        created_at=created_at,
        path="true",
        args=[],
        config=Config(env=["A=1"]),
        host_config=HostConfig(),
        image=ImageId("sha256:" + "0" * 64),
        image_ref="busybox",
    )


def an_image(digit: str, *, tags: list[str]) -> Image:
    return Image(id=ImageId("sha256:" + digit * 64), document=ImageDocument(), tags=tags)


async def test_what_was_written_is_there_after_reopening(path: str) -> None:
    first = SqliteStore(path)
    older, newer = a_container("older", 1), a_container("newer", 2)
    await first.write(lambda tx: tx.containers.put(newer), durable=True)
    await first.write(lambda tx: tx.containers.put(older), durable=True)
    first.close()
    second = SqliteStore(path)
    assert second.read(lambda tx: tx.containers.all()) == [older, newer]
    second.close()


async def test_a_taken_name_is_refused_and_names_its_holder(store: SqliteStore) -> None:
    holder, other = a_container("web"), a_container("web")
    await store.write(lambda tx: tx.containers.put(holder))
    with pytest.raises(NameInUse) as caught:
        await store.write(lambda tx: tx.containers.put(other))
    assert caught.value.holder == holder.id


async def test_one_failing_change_leaves_its_neighbours_alone(store: SqliteStore) -> None:
    holder = a_container("web")
    await store.write(lambda tx: tx.containers.put(holder))
    changes = [a_container(name) for name in ("a", "web", "b")]
    results = await asyncio.gather(
        *(store.write(lambda tx, c=c: tx.containers.put(c), durable=True) for c in changes),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), NameInUse, type(None)]
    names = {c.name for c in store.read(lambda tx: tx.containers.all())}
    assert names == {"web", "a", "b"}


async def test_a_change_that_raises_is_undone_whole(store: SqliteStore) -> None:
    kept, dropped = a_container("kept"), a_container("dropped")

    def change(tx: object) -> None:
        tx.containers.put(dropped)  # type: ignore[attr-defined]
        raise ValueError("no")

    await store.write(lambda tx: tx.containers.put(kept))
    with pytest.raises(ValueError, match="no"):
        await store.write(change)
    assert store.read(lambda tx: tx.containers.all()) == [kept]


async def test_a_tag_moves_to_the_image_written_last(store: SqliteStore) -> None:
    tag = "docker.io/library/busybox:latest"
    await store.write(lambda tx: tx.images.put(an_image("1", tags=[tag, tag + "-old"])))
    await store.write(lambda tx: tx.images.put(an_image("2", tags=[tag])))
    tags = {image.id[7]: image.tags for image in store.read(lambda tx: tx.images.all())}
    assert tags == {"1": [tag + "-old"], "2": [tag]}


async def test_directory_numbers_are_never_given_twice(path: str) -> None:
    first = SqliteStore(path)
    given = [await first.write(lambda tx: tx.snapshots.next_number()) for _ in range(3)]
    layer = LayerRecord(
        chain_id=ChainId("c"), diff_id=Digest("d"), parent=None, number=given[0], size=1
    )
    await first.write(lambda tx: tx.snapshots.put_layer(layer))
    await first.write(lambda tx: tx.snapshots.delete_layer(ChainId("c")))
    first.close()
    second = SqliteStore(path)
    given.append(await second.write(lambda tx: tx.snapshots.next_number()))
    second.close()
    assert given == [1, 2, 3, 4]


async def test_connections_follow_their_container(store: SqliteStore) -> None:
    container = a_container("web")
    connection = Connection(sandbox_id="s", namespace="/proc/1/fd/3")
    await store.write(lambda tx: tx.containers.put(container))
    await store.write(lambda tx: tx.containers.put_connection(container.id, connection))
    assert store.read(lambda tx: tx.containers.connections()) == {container.id: connection}
    await store.write(lambda tx: tx.containers.delete(container.id))
    assert store.read(lambda tx: tx.containers.connections()) == {}


async def test_snapshots_keep_number_and_parent(store: SqliteStore) -> None:
    key = SnapshotKey("k")
    await store.write(lambda tx: tx.snapshots.put_snapshot(key, 7, None))
    assert store.read(lambda tx: tx.snapshots.snapshots()) == {key: (7, None)}


async def test_the_last_events_are_kept_in_order(store: SqliteStore) -> None:
    events = [
        Event(type="container", action=str(n), actor=Actor(id="c", attributes={"a": "é"}), time=n)
        for n in range(10)
    ]
    await store.write(lambda tx: tx.events.append(events[:6], keep=7))
    await store.write(lambda tx: tx.events.append(events[6:], keep=7))
    assert store.read(lambda tx: tx.events.last(99)) == events[3:]
    assert store.read(lambda tx: tx.events.last(2)) == events[8:]


def test_a_file_of_a_newer_engine_is_refused(path: str) -> None:
    SqliteStore(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=999")
    db.close()
    with pytest.raises(Unavailable, match="newer engine"):
        SqliteStore(path)


def test_a_file_that_is_no_database_is_refused(path: str) -> None:
    Path(path).write_bytes(b"not a database" * 1000)
    with pytest.raises(Unavailable, match="cannot open"):
        SqliteStore(path)
