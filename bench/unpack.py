"""Unpacking layers and copying in and out, beside `tar` in the same run on a fresh tmpfs.

    python bench/unpack.py [--megabytes 200] [--rounds 3] [--disk DIRECTORY]

Each round unpacks the same archives by every way in turn; the fastest round counts. The tree is a
part of /usr (like a distribution's base image), and a few large files.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import uvloop

from wharfie.drivers.archive import JailArchiver
from wharfie.kernel import mounts
from wharfie.model.archive import Root

SOURCES = ("/usr/share", "/usr/lib/python3.11", "/usr/bin", "/usr/lib/git-core", "/usr/include")


def build_tree(base: Path, size: int) -> None:
    """A part of /usr of about `size` bytes, many small files among them."""
    total = 0
    base.mkdir()
    for source in SOURCES:
        for directory, _, files in os.walk(source):
            for name in files:
                path = os.path.join(directory, name)
                if os.path.islink(path) or not os.path.isfile(path):
                    continue
                target = base / path.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                total += os.path.getsize(path)
                if total >= size:
                    return


def build_large(base: Path, size: int) -> None:
    """Three large files."""
    base.mkdir()
    for number in range(3):
        with open(base / f"large{number}", "wb") as file:
            for _ in range(size // 3 >> 20):
                file.write(os.urandom(1 << 19) + b"text" * (1 << 17))


def build_small(base: Path) -> None:
    """5000 small files."""
    for number in range(5000):
        path = base / f"d{number // 100}" / f"f{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    before = time.perf_counter()
    await work()
    return time.perf_counter() - before


async def program(*arguments: str | Path) -> None:
    process = await asyncio.create_subprocess_exec(*arguments)
    if await process.wait():
        sys.exit(f"{arguments} failed")


async def chunks_of(path: Path) -> AsyncIterator[bytes]:
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(1 << 18):
            yield chunk


class Bench:
    """Runs every way on every tree."""

    def __init__(self, base: Path, archiver: JailArchiver, rounds: int) -> None:
        self.base = base
        self.archiver = archiver
        self.rounds = rounds
        self.count = 0

    def fresh(self) -> Path:
        self.count += 1
        path = self.base / f"out{self.count}"
        path.mkdir()
        return path

    async def unpack(self, archive: Path) -> None:
        with open(archive, "rb") as blob:
            await self.archiver.unpack_layer(blob.fileno(), str(self.fresh()))

    async def untar(self, archive: Path, *options: str) -> None:
        await program("tar", *options, "-xf", archive, "-C", self.fresh())

    async def copy_in(self, archive: Path) -> None:
        root = os.open(self.fresh(), os.O_RDONLY)
        await self.archiver.copy_in(Root(descriptor=root), "/", chunks_of(archive))
        os.close(root)

    async def copy_out(self, tree: Path) -> None:
        root = os.open(tree, os.O_RDONLY)
        _, stream = await self.archiver.copy_out(Root(descriptor=root), "/")
        async for _ in stream:
            pass
        os.close(root)

    async def tar_out(self, tree: Path) -> None:
        reader, writer = os.pipe()
        process = await asyncio.create_subprocess_exec("tar", "-cC", tree, ".", stdout=writer)
        os.close(writer)
        await asyncio.to_thread(drain, reader)
        os.close(reader)
        await process.wait()

    async def many(self, archive: Path, count: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self.unpack(archive))

    async def many_tars(self, archive: Path, count: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(self.untar(archive))

    async def measure(self, tree: Path) -> None:
        plain = tree.with_suffix(".tar")
        gz = tree.with_suffix(".tar.gz")
        zst = tree.with_suffix(".tar.zst")
        await program("tar", "-cf", plain, "-C", tree, ".")
        await program("sh", "-c", f"gzip -c {plain} > {gz}; zstd -qf {plain} -o {zst}")
        size = plain.stat().st_size
        files = sum(len(f) + len(d) for _, d, f in os.walk(tree))
        print(f"\n{tree.name}: {size / 1e6:.0f} MB, {files} entries")
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "tar -x (floor)": lambda: self.untar(plain),
            "tar --xattrs -x": lambda: self.untar(plain, "--xattrs"),
            "unpack_layer plain": lambda: self.unpack(plain),
            "tar -xz": lambda: self.untar(gz, "-z"),
            "unpack_layer gzip": lambda: self.unpack(gz),
            "unpack_layer zstd": lambda: self.unpack(zst),
            "copy_in": lambda: self.copy_in(plain),
            "tar -c": lambda: self.tar_out(tree),
            "copy_out": lambda: self.copy_out(tree),
        }
        if size > 50e6:
            ways["4 x tar -x"] = lambda: self.many_tars(plain, 4)
            ways["4 x unpack_layer gzip"] = lambda: self.many(gz, 4)
        best = dict.fromkeys(ways, float("inf"))
        for _ in range(self.rounds):
            for name, work in ways.items():
                best[name] = min(best[name], await timed(work))
                for number in range(1, self.count + 1):
                    shutil.rmtree(self.base / f"out{number}", ignore_errors=True)
        for name, seconds in best.items():
            moved = size * (4 if name.startswith("4 x") else 1)
            print(f"  {name:24} {seconds:7.3f} s  {moved / 1e6 / seconds:7.0f} MB/s")


def drain(fd: int) -> None:
    while os.read(fd, 1 << 18):
        pass


async def run(arguments: argparse.Namespace, base: Path) -> None:
    archiver = JailArchiver()
    await archiver.open()
    bench = Bench(base, archiver, arguments.rounds)
    root = os.open(base, os.O_RDONLY)
    await archiver.stat(Root(descriptor=root), "/")
    one = min([await timed(lambda: archiver.stat(Root(descriptor=root), "/")) for _ in range(20)])
    print(f"one job (stat): {one * 1000:.1f} ms")
    size = arguments.megabytes << 20
    build_tree(base / "usr", size)
    await bench.measure(base / "usr")
    build_large(base / "large", size)
    await bench.measure(base / "large")
    (base / "small").mkdir()
    build_small(base / "small")
    await bench.measure(base / "small")
    await archiver.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--disk", help="a directory on a fresh file system, instead of a tmpfs")
    arguments = parser.parse_args()
    if not arguments.disk:
        mounts.unshare(mounts.CLONE_NEWNS)
        mounts.make_private()
    base = Path(tempfile.mkdtemp(prefix="wharfie-bench-", dir=arguments.disk))
    try:
        if not arguments.disk:
            mounts.mount("tmpfs", str(base), "tmpfs", 0, "size=4g")
        uvloop.run(run(arguments, base))
    finally:
        if not arguments.disk:
            mounts.umount(str(base), mounts.MNT_DETACH)
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
