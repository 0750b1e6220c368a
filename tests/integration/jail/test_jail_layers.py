"""Layers in and out: all metadata, whiteouts, and GNU tar's opinion."""

import gzip
import hashlib
import io
import os
import stat
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import zstandard

from support.archivers import build_tree, describe, make_tar
from support.hostile_tars import directory, file
from support.jailed import collect, on_tmpfs, root_of, unpack
from support.tar_members import write
from wharfie.drivers.archive import JailArchiver
from wharfie.formats.tar import Kind, Member
from wharfie.model.errors import InvalidArgument

pytestmark = pytest.mark.root


@pytest.fixture
async def archiver() -> AsyncIterator[JailArchiver]:
    jail = JailArchiver()
    await jail.open()
    yield jail
    await jail.close()


@pytest.fixture
def base() -> Iterator[Path]:
    with on_tmpfs() as directory:
        yield directory


@pytest.fixture
def tree(base: Path) -> Path:
    (base / "tree").mkdir()
    build_tree(base / "tree")
    return base / "tree"


@pytest.mark.parametrize(
    "options",
    [
        ["--format=pax"],
        ["--format=gnu", "--no-xattrs"],
        ["--format=pax", "--sparse"],
        ["--format=pax", "--sparse", "--sparse-version=0.0"],
        ["--format=pax", "--sparse", "--sparse-version=0.1"],
        ["--format=gnu", "--no-xattrs", "--sparse"],
    ],
    ids=" ".join,
)
async def test_the_same_as_gnu_tar(archiver, base, tree, options) -> None:
    archive = make_tar(tree, base / "a.tar", *options)
    done = await unpack(archiver, archive, base / "root")
    (base / "gnu").mkdir()
    extract = ["tar", "--xattrs", "--xattrs-include=*", "-xpf", base / "a.tar", "-C", base / "gnu"]
    subprocess.run(extract, check=True, capture_output=True)
    assert describe(base / "root") == describe(base / "gnu")
    assert done.diff_id == f"sha256:{hashlib.sha256(archive).hexdigest()}"
    if "--sparse" in options:
        assert (base / "root" / "sparse").stat().st_blocks * 512 < 100_000


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress])
async def test_compressed_layers_have_the_same_diff_id(archiver, base, tree, compress) -> None:
    archive = make_tar(tree, base / "a.tar")
    done = await unpack(archiver, compress(archive), base / "root")
    assert done.diff_id == f"sha256:{hashlib.sha256(archive).hexdigest()}"
    assert describe(base / "root") == describe(tree, times=True)


async def test_bytes_after_the_end_count_for_the_diff_id(archiver, base) -> None:
    archive = write([file(b"f")]) + bytes(10_240)
    done = await unpack(archiver, archive, base / "root")
    assert done.diff_id == f"sha256:{hashlib.sha256(archive).hexdigest()}"
    assert (done.entries, done.size) == (1, 4)


async def test_an_empty_layer(archiver, base) -> None:
    done = await unpack(archiver, bytes(1024), base / "root")
    assert (done.entries, done.size) == (0, 0)


async def test_the_root_of_a_layer_sets_owner_and_mode(archiver, base) -> None:
    member = Member(path=b"./", kind=Kind.DIRECTORY, mode=0o711, uid=3, gid=4, mtime=10**18)
    await unpack(archiver, write([(member, b""), file(b"./f")]), base / "root")
    status = (base / "root").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o711, 3, 4)
    assert status.st_mtime_ns == 10**18


def members_of(packed: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(packed), errors="surrogateescape") as archive:
        return {member.name: member for member in archive}


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: Path) -> bool:
    try:
        return os.getxattr(path, "trusted.overlay.opaque") == b"y"
    except OSError:
        return False


async def test_whiteouts_take_overlays_form(archiver, base) -> None:
    archive = write(
        [
            file(b"gone/.wh.file", b""),
            directory(b"opaque"),
            file(b"opaque/new"),
            file(b"opaque/.wh..wh..opq", b""),
            file(b".wh..wh.aufs", b""),
        ]
    )
    await unpack(archiver, archive, base / "root")
    root = base / "root"
    assert sorted(os.listdir(root)) == ["gone", "opaque"]
    assert is_whiteout(root / "gone" / "file")
    assert is_opaque(root / "opaque")
    assert os.listdir(root / "opaque") == ["new"]
    assert not is_opaque(root / "gone")


async def test_a_copied_layer_packs_to_the_bytes_it_is_named_by(archiver, base) -> None:
    root, copy = base / "root", base / "copy"
    (root / "d").mkdir()
    copy.mkdir()
    (root / "d" / "f").write_text("x")
    os.link(root / "d" / "f", root / "hard")
    os.mknod(root / "d" / "gone", stat.S_IFCHR, 0)
    os.utime(root / "d" / "gone", ns=(5 * 10**9, 7 * 10**9))  # long before the copy is made
    os.setxattr(root / "d", "trusted.overlay.opaque", b"y")
    copied = await archiver.copy_layer(str(root), str(copy))
    packed = await collect(archiver.pack_layer(str(copy)))
    assert copied.diff_id == f"sha256:{hashlib.sha256(packed).hexdigest()}"


async def test_whiteouts_concern_lower_layers_only(archiver, base) -> None:
    archive = write(
        [
            file(b"before"),
            file(b".wh.before", b""),
            file(b".wh.after", b""),
            file(b"after"),
            directory(b"kept"),
            file(b"kept/f"),
            file(b".wh.kept", b""),
            file(b".wh.made", b""),
            directory(b"made"),
        ]
    )
    await unpack(archiver, archive, base / "root")
    root = base / "root"
    assert (root / "before").read_bytes() == (root / "after").read_bytes() == b"evil"
    assert (root / "kept" / "f").exists()
    assert is_opaque(root / "kept")
    assert is_opaque(root / "made")


async def test_more_opaque_directories_than_fit_a_message(archiver, base) -> None:
    archive = write([file(b"%d/.wh..wh..opq" % n, b"") for n in range(200)])
    await unpack(archiver, archive, base / "root")
    assert all(is_opaque(path) for path in (base / "root").iterdir())
    assert len(list((base / "root").iterdir())) == 200


async def test_overlay_attributes_are_not_taken_from_archives(archiver, base) -> None:
    attributes = {
        "trusted.overlay.redirect": b"/etc",
        "user.overlay.opaque": b"y",
        "user.mine": b"1",
    }
    member = Member(path=b"d", kind=Kind.DIRECTORY, mode=0o755, xattrs=attributes)
    await unpack(archiver, write([(member, b"")]), base / "root")
    assert set(os.listxattr(base / "root" / "d")) <= {"user.mine"}


@pytest.mark.parametrize("cut", [700, 5000, -2000])
async def test_cut_layers_are_refused(archiver, base, tree, cut) -> None:
    archive = gzip.compress(make_tar(tree, base / "a.tar"))
    with pytest.raises(InvalidArgument, match="truncated"):
        await unpack(archiver, archive[:cut], base / "root")


async def test_a_packed_layer_unpacks_to_the_same(archiver, base, tree) -> None:
    os.mknod(tree / "etc" / "hidden", stat.S_IFCHR, 0)
    os.setxattr(tree / "sticky", "trusted.overlay.opaque", b"y")
    packed = await collect(archiver.pack_layer(str(tree)))
    assert packed == await collect(archiver.pack_layer(str(tree)))
    names = list(members_of(packed))
    assert "etc/.wh.hidden" in names
    assert "sticky/.wh..wh..opq" in names
    assert names == sorted(names, key=lambda name: [os.fsencode(p) for p in name.split("/")])
    done = await unpack(archiver, packed, base / "root")
    assert done.diff_id == f"sha256:{hashlib.sha256(packed).hexdigest()}"
    assert whole_seconds(describe(base / "root")) == whole_seconds(describe(tree))
    assert is_opaque(base / "root" / "sticky")


def whole_seconds(tree: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    def cut(time: object) -> int:
        assert isinstance(time, int)
        return time // 10**9

    return {
        name: (*entry[:-1], cut(entry[-1])) for name, entry in tree.items() if name != "etc/hidden"
    }


async def test_names_that_would_become_whiteouts_are_refused(archiver, base) -> None:
    (base / "root" / ".wh.file").touch()
    with pytest.raises(InvalidArgument, match=r"\.wh\."):
        await collect(archiver.pack_layer(str(base / "root")))


async def test_a_tree_packs_without_what_is_mounted_in_it(archiver, base, tree) -> None:
    (tree / "proc").mkdir()
    script = (
        f"mount -t proc proc {tree}/proc && mount -t tmpfs tmpfs {tree}/etc && touch {tree}/etc/x"
        f" && mount --bind /etc/hostname {tree}/hard && echo ready && exec sleep 60"
    )
    command = ["unshare", "-m", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "ready\n"
            with root_of(f"/proc/{holder.pid}/root/{tree}") as root:
                packed = await collect(archiver.pack_tree(root))
        finally:
            holder.kill()
    names = members_of(packed)
    assert "proc" in names
    assert not [name for name in names if name.startswith(("proc/", "etc/"))]
    assert names["hard"].size == 0
    assert names["large"].size == 3_000_000
    assert "capable" in names
