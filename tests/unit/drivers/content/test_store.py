from pathlib import Path

import pytest

from wharfie.drivers.content import LocalContentStore
from wharfie.formats.digest import sha256_digest
from wharfie.model.errors import InvalidArgument


def leftovers(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "tmp").iterdir())


async def test_temporary_files_go_with_their_writer(tmp_path: Path) -> None:
    store = LocalContentStore(str(tmp_path))
    for end in ("commit", "abort", "mismatch"):
        writer = await store.writer()
        await writer.write(end.encode() * 500_000)
        if end == "commit":
            await writer.commit()
        elif end == "abort":
            await writer.abort()
        else:
            with pytest.raises(InvalidArgument):
                await writer.commit(sha256_digest(b""))
    assert leftovers(tmp_path) == []


async def test_blobs_are_read_only_files_under_their_hex(tmp_path: Path) -> None:
    store = LocalContentStore(str(tmp_path))
    digest = await store.put(b"hello")
    path = Path(store.path(digest))
    assert path == tmp_path / "content/blobs/sha256" / digest.removeprefix("sha256:")
    assert path.stat().st_mode & 0o777 == 0o400


async def test_a_document_has_a_largest_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalContentStore(str(tmp_path))
    digest = await store.put(b"12345")
    monkeypatch.setattr("wharfie.drivers.content.store._READ_LIMIT", 4)
    with pytest.raises(InvalidArgument):
        await store.read(digest)
