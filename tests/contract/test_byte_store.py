"""What every byte store of the registry must do."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from wharfie.registry.ports.storage import ByteStore, NoSuchKey
from wharfie.registry.storage.local import RootInUse, open_local

DIGEST = f"sha256:{hashlib.sha256(b'data').hexdigest()}"


@pytest.fixture(params=["local"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ByteStore]:
    made = open_local(str(tmp_path))
    yield made
    await made.close()


async def gather(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


async def test_what_is_written_is_read(store: ByteStore) -> None:
    await store.write(("a/b/link", b"one"), ("a/c/link", b"two"))
    assert await store.read("a/b/link", 100) == b"one"
    assert await store.read("a/b/link", 2) == b"on"
    assert (await store.state("a/c/link")).size == 3
    await store.write(("a/b/link", b"three"))
    assert await store.read("a/b/link", 100) == b"three"


async def test_what_is_not_there_is_told(store: ByteStore) -> None:
    await store.write(("a/file", b""))
    for key in ("none", "a/none", "a/file/below"):
        with pytest.raises(NoSuchKey):
            await store.read(key, 10)
        with pytest.raises(NoSuchKey):
            await store.state(key)
        with pytest.raises(NoSuchKey):
            await store.open(key)
        with pytest.raises(NoSuchKey):
            await store.move(key, "elsewhere")
        with pytest.raises(NoSuchKey):
            await store.staging(key, fresh=False)
        await store.delete(key)
        await store.touch(key)
    await store.delete_below("none")
    assert list(await store.names("none")) == []
    assert list(await store.holding("none", "_x")) == []


async def test_names_are_those_directly_below_and_sorted(store: ByteStore) -> None:
    await store.write(*((f"top/{name}/x", b"") for name in ("b", "a", "C", "a-b")))
    assert list(await store.names("top")) == ["C", "a", "a-b", "b"]
    await store.delete("top/a/x")
    assert list(await store.names("top")) == ["C", "a-b", "b"]


async def test_holding_finds_what_holds_a_name(store: ByteStore) -> None:
    await store.write(
        ("r/b/_m/x", b""), ("r/a/_m/x", b""), ("r/a/deep/er/_m/y/z", b""), ("r/c/_other/_m/x", b"")
    )
    assert list(await store.holding("r", "_m")) == ["a", "a/deep/er", "b"]


async def test_deleting_below_takes_all_and_nothing_else(store: ByteStore) -> None:
    await store.write(("t/a/1", b""), ("t/a/2/3", b""), ("t/ab/1", b""))
    await store.delete_below("t/a")
    assert list(await store.names("t")) == ["ab"]


async def test_an_object_is_read_in_parts(store: ByteStore) -> None:
    data = bytes(range(256)) * 10_000
    await store.write(("a", data))
    opened = await store.open("a")
    try:
        assert opened.size == len(data)
        assert await gather(opened.read(0, opened.size)) == data
        assert await gather(opened.read(1000, 2_000_000)) == data[1000:2_000_000]
        assert await gather(opened.read(7, 7)) == b""
        # It stays readable when its key goes.
        await store.delete("a")
        assert await gather(opened.read(5, 10)) == data[5:10]
    finally:
        opened.close()


async def test_staging_grows_survives_and_becomes_an_object(store: ByteStore) -> None:
    staging = await store.staging("up/1/data", fresh=True)
    await staging.append(b"da")
    await staging.close()
    assert (await store.state("up/1/data")).size == 2
    staging = await store.staging("up/1/data", fresh=False)
    assert staging.size == 2
    await staging.append(b"t", b"a")
    assert staging.size == 4
    assert await gather(staging.read(1, 4)) == b"ata"
    await staging.publish("blobs/x", DIGEST)
    await staging.close()
    assert await store.read("blobs/x", 10) == b"data"
    with pytest.raises(NoSuchKey):
        await store.state("up/1/data")
    opened = await store.open("blobs/x")
    assert opened.is_sound(DIGEST)
    opened.close()


async def test_many_pieces_at_once(store: ByteStore) -> None:
    staging = await store.staging("up/2/data", fresh=True)
    pieces = [bytes([n % 256]) * (n % 7) for n in range(3000)]
    await staging.append(*pieces)
    assert await gather(staging.read(0, staging.size)) == b"".join(pieces)
    await staging.close()


async def test_an_object_replaces_another(store: ByteStore) -> None:
    await store.write(("blobs/x", b"old"))
    staging = await store.staging("up/3/data", fresh=True)
    await staging.append(b"data")
    await staging.publish("blobs/x", DIGEST)
    assert await store.read("blobs/x", 10) == b"data"
    await store.move("blobs/x", "aside/x")
    assert await store.read("aside/x", 10) == b"data"


async def test_vouching_is_for_these_bytes(store: ByteStore) -> None:
    await store.write(("a", b"data"))
    opened = await store.open("a")
    opened.vouch(DIGEST)
    assert opened.is_sound(DIGEST)
    opened.doubt()
    opened.close()


async def test_many_write_below_one_folder_while_it_is_emptied(store: ByteStore) -> None:
    """Folders come and go under the hands of those that write into them."""

    async def churn(number: int) -> None:
        for turn in range(30):
            key = f"hot/a/b/{number % 3}/{number}-{turn}"
            await store.write((key, b"x"))
            assert await store.read(key, 10) == b"x"
            await store.delete(key)

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(churn(number))
    assert list(await store.names("hot")) == []


async def test_a_local_root_has_one_owner(tmp_path: Path) -> None:
    first = open_local(str(tmp_path))
    (tmp_path / "wharfie/tmp/left over").write_bytes(b"of a crash")
    with pytest.raises(RootInUse):
        open_local(str(tmp_path))
    await first.close()
    second = open_local(str(tmp_path))
    assert not list((tmp_path / "wharfie/tmp").iterdir())
    await second.close()
