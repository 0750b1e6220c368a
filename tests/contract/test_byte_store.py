"""What every storage driver of the registry must do, on a directory and on an object store."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.s3_server import BUCKET, KEY, REGION, SECRET, S3Server
from wharfie.registry.config.elsewhere import S3Config
from wharfie.registry.ports import ByteStore, NoSuchKey
from wharfie.registry.storage.local import open_local
from wharfie.registry.storage.s3 import open_s3

UPLOAD = "docker/registry/v2/repositories/a/_uploads/1/data"
MIB = 1 << 20


@pytest.fixture(params=["local", "s3", "s3-prefix"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[object]:
    """Opens the same store again and again."""
    if request.param == "local":
        yield lambda: open_local(str(tmp_path / "root"))
        return
    with S3Server() as server:
        config = S3Config(
            bucket=BUCKET,
            region=REGION,
            endpoint=server.url,
            access_key=KEY,
            secret_key=SECRET,
            prefix="some/where" if request.param == "s3-prefix" else "",
            chunk=5 * MIB,
        )
        yield lambda: open_s3(config)


@pytest.fixture
async def store(places) -> AsyncIterator[ByteStore]:
    found = places()
    yield found
    await found.close()


async def whole(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def test_small_objects(store: ByteStore) -> None:
    await store.write(("a/b", b"one"), ("a/c", b""), ("a/b", b"two"))
    assert await store.read("a/b", 100) == b"two"
    assert await store.read("a/b", 2) == b"tw"
    assert await store.read("a/c", 100) == b""
    state = await store.state("a/b")
    assert state.size == 3
    assert abs(state.modified - time.time()) < 60
    await store.delete("a/b", "a/none")
    for verb in (store.state("a/b"), store.read("a/b", 1), store.open("a/b")):
        with pytest.raises(NoSuchKey):
            await verb


async def test_names_and_folders(store: ByteStore) -> None:
    await store.write(("r/x/1", b""), ("r/x/2/3", b""), ("r/xy/1", b""), ("r/x-1", b""))
    assert await store.names("r") == ["x", "x-1", "xy"]
    assert await store.names("r/x") == ["1", "2"]
    assert await store.names("r/none") == []
    await store.delete_below("r/x")
    assert await store.names("r") == ["x-1", "xy"]
    await store.delete_below("r/none")


async def test_many_names_come_in_pages(store: ByteStore) -> None:
    names = [f"n{number:04d}" for number in range(250)]
    await store.write(*((f"many/{name}/link", b"x") for name in names))
    assert await store.names("many") == names
    await store.delete_below("many")
    assert await store.names("many") == []


async def test_what_holds_a_name(store: ByteStore) -> None:
    for name in ("a", "a/b", "c/d/e", "_x/y"):
        await store.write((f"top/{name}/_manifests/x/_manifests/y", b""))
    await store.write(("top/f/_layers/x", b""))
    assert await store.holding("top", "_manifests") == ["a", "a/b", "c/d/e"]
    assert await store.holding("none", "_manifests") == []


async def test_touching_and_moving(store: ByteStore) -> None:
    await store.write(("a/b", b"data"))
    before = await store.state("a/b")
    await store.touch("a/b")
    await store.touch("a/none")
    after = await store.state("a/b")
    assert (after.size, after.modified >= before.modified) == (4, True)
    await store.move("a/b", "c/d/e")
    assert await store.read("c/d/e", 10) == b"data"
    for verb in (store.state("a/b"), store.state("a/none"), store.move("a/b", "x")):
        with pytest.raises(NoSuchKey):
            await verb


async def test_an_object_is_read_in_ranges(store: ByteStore) -> None:
    data = os.urandom(3 * MIB + 17)
    await store.write(("blob", data))
    opened = await store.open("blob")
    try:
        assert opened.size == len(data)
        assert await whole(opened.read(0, len(data))) == data
        assert await whole(opened.read(5, 6)) == data[5:6]
        assert await whole(opened.read(MIB, 2 * MIB + 1)) == data[MIB : 2 * MIB + 1]
        assert await whole(opened.read(7, 7)) == b""
    finally:
        opened.close()


@pytest.mark.parametrize("sizes", [[], [0], [10], [6 * MIB], [11 * MIB + 1, 5]])
async def test_a_staging_becomes_an_object(store: ByteStore, sizes: list[int]) -> None:
    pieces = [os.urandom(size) for size in sizes]
    staging = await store.staging(UPLOAD, fresh=True)
    for piece in pieces:
        await staging.append(piece)
    assert staging.size == sum(sizes)
    await staging.publish("blobs/x/data", "sha256:" + "0" * 64)
    opened = await store.open("blobs/x/data")
    assert await whole(opened.read(0, opened.size)) == b"".join(pieces)
    opened.close()
    with pytest.raises(NoSuchKey):
        await store.staging(UPLOAD, fresh=False)


async def test_a_staging_outlives_its_process(places) -> None:
    parts = [os.urandom(size) for size in (6 * MIB, 3, 7 * MIB)]
    whole_data = b"".join(parts)
    size = 0
    for number, part in enumerate(parts):
        store = places()
        staging = await store.staging(UPLOAD, fresh=number == 0)
        assert staging.size == size
        await staging.append(part)
        size += len(part)
        await staging.close()
        assert (await store.state(UPLOAD)).size == size
        await store.close()
    store = places()
    staging = await store.staging(UPLOAD, fresh=False)
    assert await whole(staging.read(0, size)) == whole_data
    assert await whole(staging.read(6 * MIB - 1, 6 * MIB + 5)) == whole_data[6 * MIB - 1 :][:6]
    await staging.publish("blobs/y/data", "sha256:" + "0" * 64)
    await staging.close()
    opened = await store.open("blobs/y/data")
    assert await whole(opened.read(0, size)) == whole_data
    opened.close()
    await store.close()


async def test_a_staging_is_read_and_goes_on(store: ByteStore) -> None:
    staging = await store.staging(UPLOAD, fresh=True)
    await staging.append(b"abc")
    assert await whole(staging.read(0, 3)) == b"abc"
    await staging.append(b"def")
    assert await whole(staging.read(1, 5)) == b"bcde"
    await staging.close()
    assert (await store.state(UPLOAD)).size == 6


async def test_a_staging_is_forgotten(store: ByteStore) -> None:
    staging = await store.staging(UPLOAD, fresh=True)
    await staging.append(b"abc")
    await staging.close()
    folder = UPLOAD.rpartition("/")[0]
    assert await store.names(folder.rpartition("/")[0]) == ["1"]
    await store.delete_below(folder)
    with pytest.raises(NoSuchKey):
        await store.staging(UPLOAD, fresh=False)
    assert await store.names(folder.rpartition("/")[0]) == []


async def test_broken_bytes_are_doubted_until_they_are_replaced(store: ByteStore) -> None:
    digest = "sha256:" + "0" * 64
    await store.write(("blobs/z/data", b"broken"))
    opened = await store.open("blobs/z/data")
    opened.vouch(digest)
    assert opened.is_sound(digest)
    opened.doubt()
    assert not opened.is_sound(digest)
    opened.close()
    again = await store.open("blobs/z/data")
    assert not again.is_sound(digest)
    again.close()
    staging = await store.staging(UPLOAD, fresh=True)
    await staging.append(b"wh", b"ole")
    await staging.publish("blobs/z/data", digest)
    healed = await store.open("blobs/z/data")
    assert healed.is_sound(digest)
    healed.close()
