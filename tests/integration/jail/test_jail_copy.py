"""Docker's rules for copying in and out, on stopped and running containers' roots."""

import bz2
import errno
import gzip
import io
import lzma
import os
import stat
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard

from support.hostile_tars import directory, file, symlink
from support.jailed import collect, in_pieces, on_tmpfs, root_of
from support.tar_members import write
from wharfie.drivers.archive import JailArchiver
from wharfie.formats.tar import Member
from wharfie.jail.tree import Tree
from wharfie.jail.unpack import Unpacker
from wharfie.kernel import mounts
from wharfie.model.archive import Limits, Root, RootMount
from wharfie.model.errors import Forbidden, Internal, InvalidArgument, NotFound

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
        root = directory / "root"
        (root / "dir").mkdir()
        (root / "dir" / "f").write_text("content")
        (root / "dir" / "sub").mkdir()
        (root / "link").symlink_to("/dir")
        (root / "broken").symlink_to("dir/not/there")
        (root / "data").mkdir()
        yield directory


async def names_of(archiver: JailArchiver, root: Root, path: str) -> list[str]:
    _, stream = await archiver.copy_out(root, path)
    with tarfile.open(fileobj=io.BytesIO(await collect(stream))) as archive:
        return [m.name + "/" * m.isdir() for m in archive]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/dir", ["dir/", "dir/f", "dir/sub/"]),
        ("dir", ["dir/", "dir/f", "dir/sub/"]),
        ("/dir/", ["dir/", "dir/f", "dir/sub/"]),
        ("/dir/.", ["./", "./f", "./sub/"]),
        ("/dir/f", ["f"]),
        ("/link", ["link"]),
        ("/link/", ["link/", "link/f", "link/sub/"]),
        ("/link/.", ["./", "./f", "./sub/"]),
        ("/link/f", ["f"]),
        ("/../../dir/f", ["f"]),
    ],
)
async def test_names_in_an_archive(archiver, base, path, expected) -> None:
    with root_of(base / "root") as root:
        assert await names_of(archiver, root, path) == expected


async def test_the_root_itself(archiver, base) -> None:
    with root_of(base / "root") as root:
        names = await names_of(archiver, root, "/")
    assert names[0] in {"/", "//"}
    assert "/dir/f" in names


async def test_stat_looks_at_the_last_symlink_and_tells_its_end(archiver, base) -> None:
    with root_of(base / "root") as root:
        link = await archiver.stat(root, "/link")
        assert (link.name, link.link_target, link.mode & 1 << 27) == ("link", "/dir", 1 << 27)
        broken = await archiver.stat(root, "/broken")
        assert broken.link_target == "/dir/not/there"
        followed = await archiver.stat(root, "/link/")
        assert (followed.name, followed.link_target) == ("link", "")
        assert followed.mode & 1 << 31
        entry = await archiver.stat(root, "/link/f")
        assert (entry.name, entry.size, entry.mode) == ("f", 7, 0o644)


@pytest.mark.parametrize("path", ["/nothing", "/dir/nothing/x", "/broken/"])
async def test_what_is_not_there_is_not_found(archiver, base, path) -> None:
    with root_of(base / "root") as root:
        with pytest.raises(NotFound):
            await archiver.stat(root, path)
        with pytest.raises(NotFound):
            await archiver.copy_out(root, path)
        with pytest.raises(NotFound):
            await archiver.copy_in(root, path, in_pieces(write([file(b"x")])))


async def test_a_file_is_no_directory(archiver, base) -> None:
    archive = write([file(b"x")])
    with root_of(base / "root") as root:
        with pytest.raises(InvalidArgument, match="extraction point is not a directory"):
            await archiver.copy_in(root, "/dir/f", in_pieces(archive))
        with pytest.raises(InvalidArgument):
            await archiver.stat(root, "/dir/f/x")
        with pytest.raises(InvalidArgument):
            await archiver.stat(root, "/dir/f/")


@pytest.mark.parametrize(
    "compress",
    [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress],
)
async def test_every_compression_is_taken(archiver, base, compress) -> None:
    archive = compress(write([file(b"x" * 120, b"content" * 10_000)]))
    with root_of(base / "root") as root:
        await archiver.copy_in(root, "/link", in_pieces(archive))
    assert (base / "root" / "dir" / ("x" * 120)).read_bytes() == b"content" * 10_000


async def test_files_replace_directories_unless_told_not_to(archiver, base) -> None:
    archive = write([file(b"dir")])
    with root_of(base / "root") as root:
        with pytest.raises(InvalidArgument, match="cannot overwrite directory"):
            await archiver.copy_in(root, "/", in_pieces(archive), no_overwrite_dir_non_dir=True)
        assert (base / "root" / "dir" / "f").exists()
        await archiver.copy_in(root, "/", in_pieces(archive))
        assert (base / "root" / "dir").read_bytes() == b"evil"
        back = write([directory(b"dir")])
        with pytest.raises(InvalidArgument, match="cannot overwrite non-directory"):
            await archiver.copy_in(root, "/", in_pieces(back), no_overwrite_dir_non_dir=True)


async def test_directories_merge_and_the_point_itself_stays(archiver, base) -> None:
    (base / "root" / "dir").chmod(0o700)
    archive = write([directory(b"."), file(b"./sub/new"), symlink(b"f", b"sub")])
    with root_of(base / "root") as root:
        await archiver.copy_in(root, "/dir", in_pieces(archive))
    assert stat.S_IMODE((base / "root" / "dir").stat().st_mode) == 0o700
    assert os.readlink(base / "root" / "dir" / "f") == "sub"
    assert (base / "root" / "dir" / "sub" / "new").exists()


async def test_whiteout_names_are_plain_files_here(archiver, base) -> None:
    with root_of(base / "root") as root:
        await archiver.copy_in(root, "/dir", in_pieces(write([file(b".wh.f", b"")])))
    assert (base / "root" / "dir" / "f").exists()
    assert (base / "root" / "dir" / ".wh.f").is_file()


async def test_an_owner_replaces_the_archives(archiver, base) -> None:
    archive = write([file(b"x"), directory(b"y"), symlink(b"z", b"x")])
    with root_of(base / "root") as root:
        await archiver.copy_in(root, "/", in_pieces(archive), owner=(1234, 5678))
    for name in "xyz":
        status = (base / "root" / name).lstat()
        assert (status.st_uid, status.st_gid) == (1234, 5678)


async def test_a_read_only_root_is_forbidden_but_its_volumes_are_not(archiver, base) -> None:
    archive = write([file(b"x")])
    (base / "volume").mkdir()
    volume = RootMount(source=str(base / "volume"), destination="/data")
    with root_of(base / "root", volume, read_only=True) as root:
        with pytest.raises(Forbidden, match="container rootfs is marked read-only"):
            await archiver.copy_in(root, "/dir", in_pieces(archive))
        await archiver.copy_in(root, "/data", in_pieces(archive))
    assert (base / "volume" / "x").exists()
    assert not (base / "root" / "data" / "x").exists()


async def test_a_read_only_volume_is_forbidden(archiver, base) -> None:
    (base / "volume").mkdir()
    volume = RootMount(source=str(base / "volume"), destination="/data", read_only=True)
    with root_of(base / "root", volume) as root:
        with pytest.raises(Forbidden, match="marked read-only"):
            await archiver.copy_in(root, "/data", in_pieces(write([file(b"x")])))
        with pytest.raises(Forbidden, match="marked read-only"):
            await archiver.copy_in(root, "/", in_pieces(write([file(b"data/x")])))
    assert list((base / "volume").iterdir()) == []


def overlay(base: Path, attributes: int = 0) -> int:
    """A detached overlay, as the snapshotter makes one."""
    for name in ("upper", "work"):
        (base / name).mkdir()
    context = mounts.fsopen("overlay")
    mounts.fsconfig_string(context, "lowerdir+", base / "root")
    mounts.fsconfig_string(context, "upperdir", base / "upper")
    mounts.fsconfig_string(context, "workdir", base / "work")
    mounts.fsconfig_create(context)
    detached = mounts.fsmount(context, attributes)
    os.close(context)
    return detached


async def test_volumes_are_laid_over_a_detached_root(archiver, base) -> None:
    (base / "volume").mkdir()
    (base / "volume" / "inside").write_text("volume")
    (base / "single").write_text("a file")
    over = (
        RootMount(source=str(base / "volume"), destination="/data"),
        RootMount(source=str(base / "volume"), destination="/made/on/the/way"),
        RootMount(source=str(base / "single"), destination="/etc/single"),
        RootMount(source=str(base / "volume"), destination="/link/sub"),
    )
    before = Path("/proc/self/mountinfo").read_text()
    detached = overlay(base)
    try:
        root = Root(descriptor=detached, mounts=over)
        assert await names_of(archiver, root, "/data") == ["data/", "data/inside"]
        assert (await archiver.stat(root, "/made/on/the/way/inside")).size == 6
        assert (await archiver.stat(root, "/etc/single")).size == 6
        assert (await archiver.stat(root, "/dir/sub/inside")).size == 6
        await archiver.copy_in(root, "/data", in_pieces(write([file(b"new")])))
        await archiver.copy_in(root, "/dir", in_pieces(write([file(b"upper")])))
        plain = Root(descriptor=detached)
        assert await names_of(archiver, plain, "/data") == ["data/"]
    finally:
        os.close(detached)
    assert (base / "volume" / "new").exists()
    assert (base / "upper" / "dir" / "upper").exists()
    assert Path("/proc/self/mountinfo").read_text() == before


async def test_a_volume_without_a_place_in_a_read_only_root_hinders_nobody(archiver, base) -> None:
    (base / "volume").mkdir()
    volume = RootMount(source=str(base / "volume"), destination="/missing")
    detached = overlay(base, mounts.MOUNT_ATTR_RDONLY)
    try:
        root = Root(descriptor=detached, mounts=(volume,))
        assert (await archiver.stat(root, "/dir/f")).size == 7
        with pytest.raises(NotFound):
            await archiver.stat(root, "/missing")
    finally:
        os.close(detached)


async def test_a_full_file_system_is_told(archiver) -> None:
    context = mounts.fsopen("tmpfs")
    mounts.fsconfig_string(context, "size", "1m")
    mounts.fsconfig_create(context)
    detached = mounts.fsmount(context)
    os.close(context)
    archive = write([file(b"large", bytes(2 << 20))])
    try:
        with pytest.raises(Internal, match="large: no space left on device"):
            await archiver.copy_in(Root(descriptor=detached), "/", in_pieces(archive))
    finally:
        os.close(detached)


async def test_mount_targets_resolve_inside_the_root(archiver, base) -> None:
    (base / "root" / "out").symlink_to(base / "outside")
    (base / "volume").mkdir()
    volume = RootMount(source=str(base / "volume"), destination="/out/deep/er")
    detached = overlay(base)
    try:
        found = await archiver.stat(Root(descriptor=detached, mounts=(volume,)), "/out/deep/er")
        assert found.mode & 1 << 31
    finally:
        os.close(detached)
    inside = base / "upper" / str(base / "outside").lstrip("/")
    assert (inside / "deep" / "er").is_dir()
    assert sorted(os.listdir(base / "outside")) == ["canary"]


async def test_a_missing_mount_source_is_told(archiver, base) -> None:
    volume = RootMount(source=str(base / "nothing"), destination="/data")
    with (
        root_of(base / "root", volume) as root,
        pytest.raises(Internal, match=r"nothing: no such file"),
    ):
        await archiver.stat(root, "/")


@contextmanager
def running_container(base: Path) -> Iterator[int]:
    """A process in its own mount namespace and root, with a volume; its pid."""
    (base / "volume").mkdir()
    (base / "volume" / "inside").write_text("volume")
    root = base / "root"
    (root / "proc").mkdir()
    (root / "bin").mkdir()
    (root / "old").mkdir()
    subprocess.run(["cp", "/bin/busybox", root / "bin" / "busybox"], check=True)
    (root / "bin" / "sh").symlink_to("busybox")
    script = (
        f"mount --bind {root} {root} && mount --bind {base}/volume {root}/data"
        f" && mount -t proc proc {root}/proc && cd {root} && pivot_root . old"
        f" && exec ./bin/busybox chroot . /bin/busybox sh -c"
        f" '/bin/busybox umount -l /old; echo ready; exec /bin/busybox sleep 60'"
    )
    command = ["unshare", "-m", "-p", "-f", "--kill-child", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "ready\n"
            children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text()
            yield int(children.split()[0])
        finally:
            holder.kill()


async def test_a_running_containers_root_shows_its_volumes(archiver, base) -> None:
    with running_container(base) as pid, root_of(f"/proc/{pid}/root") as root:
        assert await names_of(archiver, root, "/data") == ["data/", "data/inside"]
        await archiver.copy_in(root, "/data", in_pieces(write([file(b"new")])))
        await archiver.copy_in(root, "/dir", in_pieces(write([file(b"new")])))
        (base / "root" / "escape").symlink_to("/proc/1/root/data")
        with pytest.raises((InvalidArgument, NotFound)):
            await archiver.copy_in(root, "/escape", in_pieces(write([file(b"magic")])))
        read_only = Root(descriptor=root.descriptor, read_only=True)
        with pytest.raises(Forbidden):
            await archiver.copy_in(read_only, "/dir", in_pieces(write([file(b"x")])))
        await archiver.copy_in(read_only, "/data", in_pieces(write([file(b"x")])))
        exported = await collect(archiver.pack_tree(root))
    assert sorted(os.listdir(base / "volume")) == ["inside", "new", "x"]
    assert (base / "root" / "dir" / "new").exists()
    with tarfile.open(fileobj=io.BytesIO(exported)) as archive:
        names = archive.getnames()
    assert {"data", "proc", "dir/new", "bin/sh"} <= set(names)
    assert not [name for name in names if name.startswith(("data/", "proc/"))]


async def test_nothing_of_a_root_is_executed_or_imported(archiver, base) -> None:
    """A root full of traps (CVE-2019-14271, GHSA-x86f-5xw2-fm2r): only bytes are written."""
    root = base / "root"
    marker = base / "root" / "trapped"
    trap = f"#!/bin/sh\ntouch {marker} /trapped\n"
    for name in ("xz", "unpigz", "zstd", "bzip2", "tar"):
        (root / "usr" / "bin").mkdir(parents=True, exist_ok=True)
        (root / "usr" / "bin" / name).write_text(trap)
        (root / "usr" / "bin" / name).chmod(0o755)
    source = Path(__file__).parents[3] / "src"
    for folder in (str(source), "/usr/lib/python3.11", "/usr/lib/python3/dist-packages"):
        inside = root / folder.lstrip("/")
        inside.mkdir(parents=True, exist_ok=True)
        for module in ("lzma", "_lzma", "bz2", "encodings/idna", "sitecustomize", "stringprep"):
            (inside / module).parent.mkdir(exist_ok=True)
            (inside / f"{module}.py").write_text("open('/trapped', 'w')\nraise SystemExit\n")
    archive = write([file("é".encode() + b"\xff" * 200)])
    with root_of(root) as jail:
        for compress in (lzma.compress, bz2.compress, gzip.compress):
            await archiver.copy_in(jail, "/dir", in_pieces(compress(archive)))
        with pytest.raises(InvalidArgument):
            await archiver.copy_in(jail, "/dir", in_pieces(lzma.compress(archive)[:-9]))
    assert not marker.exists()


def many_sizes() -> list[tuple[Member, bytes]]:
    """Files around the sizes from which they go from the pipe into the file by themselves."""
    return [
        file(f"f{size}".encode(), os.urandom(size))
        for size in (0, 1, 511, 131_071, 131_072, 131_585, 1_048_576, 3_000_001, 5)
    ]


@pytest.mark.parametrize("piece", [777, 70_000, 1 << 20])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
async def test_files_of_any_size_arrive_whole(archiver, base, piece, compress) -> None:
    wanted = many_sizes()
    with root_of(base / "root") as root:
        await archiver.copy_in(root, "/", in_pieces(compress(write(wanted)), piece))
    for member, content in wanted:
        path = base / "root" / os.fsdecode(member.path)
        assert path.read_bytes() == content
        assert path.stat().st_mtime_ns == member.mtime


async def test_a_large_file_that_ends_early_is_refused(archiver, base) -> None:
    archive = write([file(b"large", bytes(4 << 20))])[: 3 << 20]
    with root_of(base / "root") as root, pytest.raises(InvalidArgument, match="truncated"):
        await archiver.copy_in(root, "/", in_pieces(archive, 1 << 16))


async def test_a_large_file_beyond_the_limit_is_refused(base) -> None:
    bounded = JailArchiver(limits=Limits(size=2 << 20))
    await bounded.open()
    try:
        archive = write([file(b"a", bytes(1 << 20)), file(b"b", bytes((1 << 20) + 1))])
        with root_of(base / "root") as root, pytest.raises(InvalidArgument, match="exceeds"):
            await bounded.copy_in(root, "/", in_pieces(archive, 1 << 20))
    finally:
        await bounded.close()


def test_a_file_system_that_takes_no_pipes_is_written_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = many_sizes()

    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, "no splice here")

    monkeypatch.setattr(os, "splice", refuse)
    pipe = os.memfd_create("archive")
    os.write(pipe, write(wanted))
    os.lseek(pipe, 0, os.SEEK_SET)
    unpacker = Unpacker(Tree(os.fsencode(tmp_path)), Limits(), pipe=pipe)
    unpacker.run(iter(lambda: os.read(pipe, 1 << 16), b""))
    os.close(pipe)
    for member, content in wanted:
        assert (tmp_path / os.fsdecode(member.path)).read_bytes() == content
