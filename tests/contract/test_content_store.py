"""What every ContentStore must do, checked on the real one and on the fake."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from support.fake_content import FakeContentStore
from wharfie.drivers.content import LocalContentStore
from wharfie.formats.digest import sha256_digest
from wharfie.model.content import ContentStore
from wharfie.model.errors import Internal, InvalidArgument, NotFound
from wharfie.model.ids import Digest


@pytest.fixture(params=["local", "fake"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ContentStore:
    if request.param == "fake":
        return FakeContentStore()
    return LocalContentStore(str(tmp_path))


ABSENT = sha256_digest(b"never written")


async def test_what_is_written_is_read(store: ContentStore) -> None:
    data = [b"a" * 700_000, b"", b"b" * 700_000, b"c"]
    writer = await store.writer()
    for piece in data:
        await writer.write(piece)
    digest = await writer.commit()
    assert digest == sha256_digest(b"".join(data))
    assert await store.read(digest) == b"".join(data)
    assert store.size(digest) == 1_400_001
    assert list(store.digests()) == [digest]


async def test_nothing_is_visible_before_the_commit(store: ContentStore) -> None:
    writer = await store.writer()
    await writer.write(b"x" * (2 << 20))
    assert not store.digests()
    await writer.abort()
    assert not store.digests()


async def test_a_wrong_digest_keeps_nothing(store: ContentStore) -> None:
    writer = await store.writer()
    await writer.write(b"x")
    with pytest.raises(InvalidArgument):
        await writer.commit(ABSENT)
    assert not store.digests()
    with pytest.raises(Internal):
        await writer.commit()


async def test_an_abort_after_the_commit_changes_nothing(store: ContentStore) -> None:
    writer = await store.writer()
    await writer.write(b"x")
    digest = await writer.commit(sha256_digest(b"x"))
    await writer.abort()
    assert store.has(digest)


async def test_writing_twice_is_writing_once(store: ContentStore) -> None:
    first = await store.put(b"same")
    assert await store.put(b"same") == first
    writer = await store.writer()
    await writer.write(b"same")
    assert await writer.commit(first) == first
    assert list(store.digests()) == [first]


async def test_a_missing_blob_is_not_found(store: ContentStore) -> None:
    assert not store.has(ABSENT)
    with pytest.raises(NotFound):
        store.size(ABSENT)
    with pytest.raises(NotFound):
        await store.read(ABSENT)
    await store.delete(ABSENT)


async def test_a_deleted_blob_is_gone(store: ContentStore) -> None:
    digest = await store.put(b"x")
    await store.delete(digest)
    assert not store.has(digest)


async def test_scratch_files_have_no_name(store: ContentStore) -> None:
    fd = await store.scratch()
    os.write(fd, b"x")
    os.lseek(fd, 0, os.SEEK_SET)
    assert os.read(fd, 9) == b"x"
    assert not store.digests()
    os.close(fd)


@pytest.mark.parametrize("digest", ["sha256:../../x", "sha256:", "x", "sha512:" + "0" * 128])
async def test_only_sha256_digests_name_paths(store: ContentStore, digest: str) -> None:
    with pytest.raises(InvalidArgument):
        store.path(Digest(digest))


WHOLE = b"0123456789" * 1000
WHOLE_DIGEST = sha256_digest(WHOLE)


async def test_a_partial_blob_goes_on_where_it_was_left(store: ContentStore) -> None:
    part = await store.partial(WHOLE_DIGEST, len(WHOLE))
    assert list(part.gaps()) == [(0, len(WHOLE))]
    await part.write(0, WHOLE[:4000])
    await part.close()
    part = await store.partial(WHOLE_DIGEST, len(WHOLE))
    assert (part.present, part.prefix) == (4000, 4000)
    assert list(part.gaps()) == [(4000, len(WHOLE))]
    assert os.pread(part.descriptor, 4000, 0) == WHOLE[:4000]
    await part.write(4000, WHOLE[4000:])
    assert not part.gaps()
    assert not store.has(WHOLE_DIGEST)
    assert await part.publish(WHOLE_DIGEST) == WHOLE_DIGEST
    await part.close()
    assert await store.read(WHOLE_DIGEST) == WHOLE


async def test_what_arrived_is_kept_until_it_is_forgotten(store: ContentStore) -> None:
    part = await store.partial(WHOLE_DIGEST, len(WHOLE))
    await part.write(0, WHOLE)
    await part.publish(WHOLE_DIGEST)
    assert store.is_kept(WHOLE_DIGEST)
    await store.forget_partials([WHOLE_DIGEST])
    assert not store.is_kept(WHOLE_DIGEST)
    assert store.has(WHOLE_DIGEST)


async def test_wrong_bytes_leave_nothing_to_go_on_with(store: ContentStore) -> None:
    part = await store.partial(WHOLE_DIGEST, len(WHOLE))
    await part.write(0, b"x" * len(WHOLE))
    with pytest.raises(InvalidArgument):
        await part.publish(sha256_digest(b"x" * len(WHOLE)))
    await part.close()
    assert not store.digests()
    part = await store.partial(WHOLE_DIGEST, len(WHOLE))
    assert part.present == 0
    await part.close()


async def test_what_is_forgotten_begins_anew(store: ContentStore) -> None:
    part = await store.partial(WHOLE_DIGEST, len(WHOLE))
    await part.write(0, WHOLE[:10])
    await store.forget_partials([WHOLE_DIGEST])  # held: it stays
    await part.close()
    await store.forget_partials([WHOLE_DIGEST])
    part = await store.partial(WHOLE_DIGEST, len(WHOLE))
    assert part.present == 0
    await part.close()


async def test_one_holder_at_a_time(store: ContentStore) -> None:
    first = await store.partial(WHOLE_DIGEST, len(WHOLE))
    await first.write(0, WHOLE[:10])
    waiting = asyncio.ensure_future(store.partial(WHOLE_DIGEST, len(WHOLE)))
    await asyncio.sleep(0)
    assert not waiting.done()
    await first.close()
    second = await waiting
    assert second.present == 10
    await second.drop()


async def test_a_cancelled_writer_does_not_write_into_somebody_elses_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalContentStore(str(tmp_path))
    began, goes_on, written = threading.Event(), threading.Event(), threading.Event()
    write = os.write

    def held_up(fd: int, data: bytes) -> int:
        began.set()
        goes_on.wait(10)
        try:
            return write(fd, data)
        finally:
            written.set()

    writer = await store.writer()
    monkeypatch.setattr(os, "write", held_up)

    async def write_two() -> None:
        await writer.write(b"x" * (2 << 20))
        await writer.write(b"y" * (2 << 20))

    writing = asyncio.ensure_future(write_two())
    await asyncio.to_thread(began.wait, 10)
    writing.cancel()
    abort = asyncio.ensure_future(writer.abort())
    await asyncio.wait({abort}, timeout=0.2)
    # Would take the number of the writer's file, had that been closed under its thread.
    others = [os.open(tmp_path / f"other{number}", os.O_CREAT | os.O_RDWR) for number in range(8)]
    goes_on.set()
    await abort
    await asyncio.to_thread(written.wait, 10)
    for number, fd in enumerate(others):
        assert os.fstat(fd).st_size == 0, f"other{number}"
        os.close(fd)
    assert os.listdir(tmp_path / "tmp") == []


async def test_a_sync_covers_what_was_published_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr("wharfie.drivers.content.store.sync_file_system", synced.append)
    store = LocalContentStore(str(tmp_path))
    await store.sync()
    assert synced == []  # nothing to do
    await store.put(b"one")
    await asyncio.gather(store.sync(), store.sync())
    assert len(synced) == 1
    await store.put(b"one")
    await store.sync()
    assert len(synced) == 1  # it was there already
    writer = await store.writer()
    await writer.write(b"two")
    await writer.commit()
    await store.sync()
    assert len(synced) == 2


async def test_a_failed_sync_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(path: str) -> None:
        raise OSError(5, path)

    store = LocalContentStore(str(tmp_path))
    await store.put(b"one")
    with monkeypatch.context() as patch:
        patch.setattr("wharfie.drivers.content.store.sync_file_system", fails)
        for _ in range(2):
            with pytest.raises(OSError, match="5"):
                await store.sync()
    await store.sync()
