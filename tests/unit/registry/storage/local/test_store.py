"""What the local byte store does beyond the contract of all stores."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from wharfie.registry.ports.storage import ByteStore, NoSuchKey
from wharfie.registry.storage.local import RootInUse, open_local

DIGEST = f"sha256:{hashlib.sha256(b'data').hexdigest()}"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ByteStore]:
    made = open_local(str(tmp_path))
    yield made
    await made.close()


async def gather(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


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


async def test_many_pieces_at_once(store: ByteStore) -> None:
    staging = await store.staging("up/2/data", fresh=True)
    pieces = [bytes([n % 256]) * (n % 7) for n in range(3000)]
    await staging.append(*pieces)
    assert await gather(staging.read(0, staging.size)) == b"".join(pieces)
    await staging.close()


async def test_vouching_is_for_these_bytes(store: ByteStore) -> None:
    await store.write(("a", b"data"))
    opened = await store.open("a")
    opened.vouch(DIGEST)
    assert opened.is_sound(DIGEST)
    assert not opened.is_sound("sha256:" + "0" * 64)
    opened.doubt()
    assert not opened.is_sound(DIGEST)
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
