"""Uploads whose disk fails, or whose process died at the wrong moment."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from wharfie.formats.digest import Digest
from wharfie.registry.config import Config, Limits, StorageConfig
from wharfie.registry.errors import Refused
from wharfie.registry.storage import Content, open_content
from wharfie.registry.storage.local import open_local
from wharfie.registry.storage.local.objects import LocalStaging


@pytest.fixture
async def content(tmp_path: Path) -> AsyncIterator[Content]:
    config = Config(storage=StorageConfig(delete=True), limits=Limits(uploads=3))
    made = await open_content(open_local(str(tmp_path)), config)
    yield made
    await made.close()


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for one in data:
        yield one
        for _ in range(5):
            await asyncio.sleep(0)


def digest_of(data: bytes) -> Digest:
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


async def test_a_full_disk_leaves_no_hole(
    content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came behind a piece that could not be written is not written either."""
    upload_id = await content.uploads.begin("app")
    append = LocalStaging.append

    async def fail_once(self: LocalStaging, *data: bytes) -> None:
        monkeypatch.setattr(LocalStaging, "append", append)
        raise OSError(28, "No space left on device")

    async with content.uploads.open("app", upload_id) as upload:
        await upload.receive(pieces(b"first"), None)
    monkeypatch.setattr(LocalStaging, "append", fail_once)
    with pytest.raises(OSError, match="No space"):
        async with content.uploads.open("app", upload_id) as upload:
            await upload.receive(pieces(b"second", b"third", b"fourth"), None)
    assert await content.uploads.size("app", upload_id) == len(b"first")
    async with content.uploads.open("app", upload_id) as upload:
        await upload.receive(pieces(b" again"), None)
        await upload.finish(digest_of(b"first again"))
    assert await content.blobs.has("app", digest_of(b"first again"))


async def test_a_folder_that_a_crash_left_is_swept(content: Content, tmp_path: Path) -> None:
    """Else it would count as an unfinished upload for ever."""
    top = tmp_path / "docker/registry/v2/repositories/app/_uploads"
    for number in range(3):
        (top / f"left-{number}").mkdir(parents=True)
    with pytest.raises(Refused):
        await content.uploads.begin("app")
    await content.uploads.sweep("app", 1000.0)
    upload_id = await content.uploads.begin("app")
    await content.uploads.sweep("app", 1000.0)
    assert await content.uploads.size("app", upload_id) == 0


async def test_bytes_that_are_there_already_are_stored_once(content: Content) -> None:
    for name in ("a", "b"):
        upload_id = await content.uploads.begin(name)
        async with content.uploads.open(name, upload_id) as upload:
            await upload.receive(pieces(b"the ", b"same"), 8)
            await upload.finish(digest_of(b"the same"))
        assert await content.blobs.has(name, digest_of(b"the same"))
        with pytest.raises(Refused):
            await content.uploads.size(name, upload_id)


async def test_a_wrong_digest_ends_an_upload(content: Content) -> None:
    upload_id = await content.uploads.begin("a")
    async with content.uploads.open("a", upload_id) as upload:
        await upload.receive(pieces(b"data"), 4)
        with pytest.raises(Refused):
            await upload.finish(digest_of(b"other"))
    with pytest.raises(Refused):
        await content.uploads.size("a", upload_id)


async def test_interest_in_a_blob_that_is_being_removed_is_told(content: Content) -> None:
    """A client must not hear that a blob is there which the collector removes that moment."""
    upload_id = await content.uploads.begin("a")
    digest = digest_of(b"data")
    async with content.uploads.open("a", upload_id) as upload:
        await upload.receive(pieces(b"data"), 4)
        await upload.finish(digest)
    assert await content.blobs.show_interest("a", digest)
    await content.blobs.unlink("a", digest)
    assert not await content.blobs.show_interest("a", digest)


async def test_a_manifest_is_released_by_its_last_tag_only(content: Content) -> None:
    upload_id = await content.uploads.begin("a")
    async with content.uploads.open("a", upload_id) as upload:
        await upload.receive(pieces(b"{}"), 2)
        await upload.finish(digest_of(b"{}"))
    config = f'{{"digest":"{digest_of(b"{}")}","size":2,"mediaType":"x"}}'
    data = f'{{"schemaVersion":2,"config":{config},"layers":[]}}'.encode()
    for tag in ("one", "two"):
        found, _ = await content.manifests.put("a", data, "", tag)
    await content.manifests.delete_tag("a", "one")
    assert not await content.manifests.is_released("a", found.digest)
    await content.manifests.delete_tag("a", "two")
    assert await content.manifests.is_released("a", found.digest)
    await content.manifests.put("a", data, "", "three")
    assert not await content.manifests.is_released("a", found.digest)
