"""An archiver and scratch directories for tests of jail workers."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from wharfie.model.archive import Archiver, Limits, Root, RootMount, Unpacked


@contextmanager
def on_tmpfs() -> Iterator[Path]:
    """A directory on a tmpfs, with a canary beside the place to work in."""
    base = Path(tempfile.mkdtemp(prefix="wharfie-jail-", dir="/dev/shm"))
    try:
        (base / "root").mkdir()
        (base / "outside").mkdir()
        (base / "outside" / "canary").write_text("alive")
        (base / "outside" / "canary").chmod(0o640)
        yield base
    finally:
        shutil.rmtree(base)


def listing(directory: Path) -> list[tuple[object, ...]]:
    """Everything below a directory, with all that an unpacked archive could have changed."""
    found: list[tuple[object, ...]] = []
    for base, directories, files in os.walk(directory):
        for name in sorted([*directories, *files, "."]):
            path = os.path.join(base, name)
            status = os.lstat(path)
            content = b""
            if os.path.isfile(path) and not os.path.islink(path):
                content = Path(path).read_bytes()
            identity = (status.st_ino, status.st_mode, status.st_uid, status.st_nlink)
            times = (status.st_mtime_ns, status.st_ctime_ns)
            names = tuple(os.listxattr(path, follow_symlinks=False))
            found.append((path, *identity, *times, content, names))
    return found


async def unpack(
    archiver: Archiver, archive: bytes, directory: Path, limits: Limits | None = None
) -> Unpacked:
    """Unpack bytes as a layer."""
    with tempfile.TemporaryFile() as blob:
        blob.write(archive)
        blob.seek(0)
        return await archiver.unpack_layer(blob.fileno(), str(directory), limits)


async def unpack_growing(
    archiver: Archiver, archive: bytes, directory: Path, told: list[int], *, step: int = 7
) -> Unpacked:
    """Unpack bytes as a layer while they are written, `step` at a time."""
    with tempfile.TemporaryFile() as blob:

        async def growth() -> AsyncIterator[int]:
            for start in range(0, len(archive), step):
                piece = archive[start : start + step]
                os.pwrite(blob.fileno(), piece, start)
                await asyncio.sleep(0)
                yield len(piece)

        return await archiver.unpack_growing(
            blob.fileno(), str(directory), size=len(archive), growth=growth(), told=told.append
        )


async def collect(stream: AsyncIterator[bytes]) -> bytes:
    """A whole stream."""
    return b"".join([chunk async for chunk in stream])


async def in_pieces(data: bytes, size: int = 10_000) -> AsyncIterator[bytes]:
    """Bytes as a stream."""
    for start in range(0, len(data), size):
        await asyncio.sleep(0)
        yield data[start : start + size]


@contextmanager
def root_of(path: Path | str, *mounts: RootMount, read_only: bool = False) -> Iterator[Root]:
    """A directory as a root."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Root(descriptor=fd, mounts=mounts, read_only=read_only)
    finally:
        os.close(fd)
