"""What every Archiver must do, checked on the jailed one and on the fake."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.fake_archiver import FakeArchiver
from support.hostile_tars import directory, file, symlink
from support.jailed import collect, in_pieces, root_of, unpack, unpack_growing
from support.tar_members import write
from wharfie.drivers.archive import JailArchiver
from wharfie.model.archive import Archiver
from wharfie.model.errors import Forbidden, InvalidArgument, NotFound

LAYER = write([directory(b"d"), file(b"d/f", b"content"), symlink(b"l", b"d/f")])


@pytest.fixture(params=[pytest.param("jail", marks=pytest.mark.root), "fake"])
async def archiver(request: pytest.FixtureRequest) -> AsyncIterator[Archiver]:
    if request.param == "fake":
        yield FakeArchiver()
        return
    jail = JailArchiver()
    await jail.open()
    yield jail
    await jail.close()


def names(packed: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return archive.getnames()


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
async def test_a_layer_is_unpacked_and_named_by_its_tar(
    archiver: Archiver, tmp_path: Path, compress
) -> None:
    done = await unpack(archiver, compress(LAYER), tmp_path)
    assert done.diff_id == f"sha256:{hashlib.sha256(LAYER).hexdigest()}"
    assert (done.size, done.entries) == (7, 3)
    assert (tmp_path / "l").read_text() == "content"


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
async def test_a_layer_may_be_unpacked_while_it_is_written(
    archiver: Archiver, tmp_path: Path, compress
) -> None:
    told: list[int] = []
    done = await unpack_growing(archiver, compress(LAYER), tmp_path, told)
    assert done.diff_id == f"sha256:{hashlib.sha256(LAYER).hexdigest()}"
    assert (tmp_path / "l").read_text() == "content"
    assert told == sorted(told)


async def test_a_bad_blob_is_refused_before_its_end(archiver: Archiver, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument):
        await unpack_growing(archiver, b"noise" * 1_000_000, tmp_path, [], step=1 << 20)


@pytest.mark.parametrize(
    "layer", [b"noise" * 1000, gzip.compress(LAYER)[:-20], write([file(b"../out")])]
)
async def test_a_bad_layer_is_an_invalid_argument(
    archiver: Archiver, tmp_path: Path, layer: bytes
) -> None:
    with pytest.raises(InvalidArgument):
        await unpack(archiver, layer, tmp_path)


async def test_packing_names_everything_but_the_root(archiver: Archiver, tmp_path: Path) -> None:
    await unpack(archiver, LAYER, tmp_path)
    assert names(await collect(archiver.pack_layer(str(tmp_path)))) == ["d", "d/f", "l"]
    with root_of(tmp_path) as root:
        assert names(await collect(archiver.pack_tree(root))) == ["d", "d/f", "l"]


async def test_stat_does_not_follow_the_last_symlink(archiver: Archiver, tmp_path: Path) -> None:
    await unpack(archiver, LAYER, tmp_path)
    with root_of(tmp_path) as root:
        assert (await archiver.stat(root, "/d/f")).size == 7
        assert (await archiver.stat(root, "/l")).link_target == "/d/f"
        with pytest.raises(NotFound):
            await archiver.stat(root, "/nothing")


async def test_copies_are_named_from_the_last_component(archiver: Archiver, tmp_path: Path) -> None:
    await unpack(archiver, LAYER, tmp_path)
    with root_of(tmp_path) as root:
        stat, stream = await archiver.copy_out(root, "/d")
        assert stat.mode & 1 << 31
        assert names(await collect(stream)) == ["d", "d/f"]
        with pytest.raises(NotFound):
            await archiver.copy_out(root, "/nothing")


async def test_copying_in_needs_a_writable_directory(archiver: Archiver, tmp_path: Path) -> None:
    await unpack(archiver, LAYER, tmp_path)
    with root_of(tmp_path) as root:
        await archiver.copy_in(root, "/d", in_pieces(gzip.compress(LAYER), 50))
        assert (tmp_path / "d" / "d" / "f").read_text() == "content"
        with pytest.raises(NotFound):
            await archiver.copy_in(root, "/nothing", in_pieces(LAYER))
        with pytest.raises(InvalidArgument, match="extraction point is not a directory"):
            await archiver.copy_in(root, "/d/f", in_pieces(LAYER))
        with pytest.raises(InvalidArgument):
            await archiver.copy_in(
                root, "/", in_pieces(write([file(b"d")])), no_overwrite_dir_non_dir=True
            )
    with root_of(tmp_path, read_only=True) as root, pytest.raises(Forbidden):
        await archiver.copy_in(root, "/d", in_pieces(LAYER))


async def test_a_layer_is_copied_and_named_by_its_tar(archiver: Archiver, tmp_path: Path) -> None:
    source, target = tmp_path / "from", tmp_path / "to"
    (source / "d").mkdir(parents=True)
    target.mkdir()
    (source / "d" / "f").write_text("content")
    (source / "l").symlink_to("d/f")
    done = await archiver.copy_layer(str(source), str(target))
    assert (target / "l").read_text() == "content"
    packed = await collect(archiver.pack_layer(str(source)))
    assert done.diff_id == f"sha256:{hashlib.sha256(packed).hexdigest()}"
    assert (done.size, done.entries, done.length) == (7, 3, len(packed))


async def test_a_layer_is_copied_without_what_is_left_out(
    archiver: Archiver, tmp_path: Path
) -> None:
    source, target = tmp_path / "from", tmp_path / "to"
    for path in ("dev/shm", "proc", "etc", "opt", "sys"):
        (source / path).mkdir(parents=True)
        (source / path).chmod(0o755)
    target.mkdir()
    (source / "etc" / "hosts").touch()
    (source / "sys" / "mine").touch()
    left_out = ("/dev", "/dev/shm", "/proc", "/sys", "/etc/hosts")
    assert (await archiver.copy_layer(str(source), str(target), leave_out=left_out)).entries == 3
    assert sorted(path.name for path in target.rglob("*")) == ["mine", "opt", "sys"]


async def test_an_empty_layer_has_no_entries(archiver: Archiver, tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    assert not (await archiver.copy_layer(str(tmp_path / "from"), str(tmp_path / "to"))).entries
