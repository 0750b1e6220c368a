"""Hostile archives against real workers: nothing outside of the root changes."""

import asyncio
import gzip
import os
import random
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.hostile_tars import (
    device,
    directory,
    escapes,
    file,
    refused,
    refused_layers,
    symlink,
)
from support.jailed import in_pieces, listing, on_tmpfs, root_of, unpack
from support.tar_members import write
from wharfie.drivers.archive import JailArchiver
from wharfie.formats.tar import Kind, Member
from wharfie.model.archive import Limits
from wharfie.model.errors import EngineError, InvalidArgument

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


async def layer_of(archiver: JailArchiver, archive: bytes, base: Path) -> str:
    try:
        await unpack(archiver, archive, base / "root")
    except InvalidArgument as error:
        return str(error)
    return ""


async def copied(archiver: JailArchiver, archive: bytes, base: Path) -> str:
    try:
        with root_of(base / "root") as root:
            await archiver.copy_in(root, "/", in_pieces(archive))
    except InvalidArgument as error:
        return str(error)
    return ""


@pytest.mark.parametrize("way", [layer_of, copied])
async def test_nothing_outside_changes(archiver, base, way) -> None:
    before = listing(base / "outside")
    archives = escapes(os.fsencode(base / "outside"))
    for name, archive in archives.items():
        await way(archiver, archive, base)
        assert listing(base / "outside") == before, name


@pytest.mark.parametrize("way", [layer_of, copied])
async def test_nonsense_is_refused_with_a_reason(archiver, base, way) -> None:
    before = listing(base / "outside")
    archives = refused() | (refused_layers() if way is layer_of else {})
    for name, archive in archives.items():
        message = await way(archiver, archive, base)
        assert message, f"{name} was accepted"
        assert "archive worker" not in message, f"{name}: {message}"
    assert listing(base / "outside") == before


async def test_contained_ways_end_inside(archiver, base) -> None:
    outside = os.fsencode(base / "outside")
    archive = write([symlink(b"link", outside), file(b"x/canary"), file(outside + b"/canary")])
    await unpack(archiver, archive, base / "root")
    inside = base / "root" / os.fsdecode(outside).lstrip("/") / "canary"
    assert inside.read_bytes() == b"evil"


async def test_devices_are_made_but_never_opened(archiver, base) -> None:
    await unpack(archiver, write([device(b"sda", 8, 0), file(b"f")]), base / "root")
    status = os.lstat(base / "root" / "sda")
    assert stat.S_ISBLK(status.st_mode)
    assert status.st_rdev == os.makedev(8, 0)


async def test_limits_of_size_entries_and_ratio(archiver, base) -> None:
    many = write([file(b"f%d" % n, b"") for n in range(100)])
    with pytest.raises(InvalidArgument, match="limit of 50 entries"):
        await unpack(archiver, many, base / "root", Limits(entries=50))
    large = write([file(b"large", bytes(1 << 20))])
    with pytest.raises(InvalidArgument, match="limit of 1000000 bytes"):
        await unpack(archiver, large, base / "root", Limits(size=1_000_000))
    bomb = gzip.compress(write([file(b"bomb", bytes(100 << 20))]))
    with pytest.raises(InvalidArgument, match="compression limit"):
        await unpack(archiver, bomb, base / "root", Limits(ratio=10))
    assert (base / "root" / "bomb").stat().st_size < 40 << 20


async def test_deep_trees_can_be_replaced(archiver, base) -> None:
    deep = b"d/" * 1500
    archive = write([file(deep + b"f"), file(b"d/d/g"), symlink(b"d", b"x"), file(b"f")])
    await unpack(archiver, archive, base / "root")
    assert sorted(os.listdir(base / "root")) == ["d", "f"]


async def test_mutated_archives_crash_nothing(archiver, base) -> None:
    archives = list(escapes(os.fsencode(base / "outside")).values())
    before = listing(base / "outside")
    source = random.Random(1)
    for _ in range(150):
        damaged = bytearray(source.choice(archives))
        for _ in range(source.randrange(1, 6)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        for start in range(0, len(damaged) - 511, 512):
            block = damaged[start : start + 512]
            if block[257:262] == b"ustar":
                block[148:156] = b" " * 8
                damaged[start + 148 : start + 156] = b"%06o\0 " % sum(block)
        try:
            await unpack(archiver, bytes(damaged), base / "root")
        except InvalidArgument:
            pass
        except EngineError as error:
            raise AssertionError(f"{error} for {bytes(damaged).hex()}") from error
    assert listing(base / "outside") == before


async def test_swapping_directories_while_copying_stays_inside(archiver, base) -> None:
    """A container that exchanges a directory and a symlink as fast as it can (CVE-2018-15664)."""
    before = listing(base / "outside")
    target = base / "root" / "t"
    target.mkdir()
    (base / "root" / "link").symlink_to(base / "outside")
    swapper = await asyncio.create_subprocess_exec(
        "python3", "-c", _SWAP, str(base / "root"), stdin=asyncio.subprocess.PIPE
    )
    archive = write([directory(b"a"), file(b"a/canary"), file(b"canary"), file(b"a/b/c/canary")])
    try:
        with root_of(base / "root") as root:
            for _ in range(60):
                try:
                    await archiver.copy_in(root, "/t", in_pieces(archive))
                    await archiver.stat(root, "/t/canary")
                except EngineError:
                    continue
    finally:
        swapper.kill()
        await swapper.wait()
    assert listing(base / "outside") == before


_SWAP = """
import ctypes, os, sys
os.chdir(sys.argv[1])
libc = ctypes.CDLL(None)
while True:
    libc.renameat2(-100, b"t", -100, b"link", 2)
"""


async def test_times_and_names_out_of_range_are_taken(archiver, base) -> None:
    archive = write(
        [
            (Member(path=b"f", kind=Kind.FILE, mtime=(1 << 62) * 1000), b""),
            (Member(path=b"\xff\xfe", kind=Kind.FILE), b""),
        ]
    )
    await unpack(archiver, archive, base / "root")
    assert sorted(os.listdir(os.fsencode(base / "root"))) == [b"f", b"\xff\xfe"]
