"""Blobs on their way: a sparse file, and a map of what is in it.

    <data-root>/content/partial/
    ├── <hex>.data     the bytes, at their place
    ├── <hex>.map      magic, size, then for every chunk how many of its bytes are there
    └── <hex>.kept     empty: it became a blob, of a pull that is not finished yet

Bytes are written before their count, so that after a kill the map never says too much. After a
power cut it may; the digest, which is checked before a blob is published, tells.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import struct
import time
from collections.abc import Callable, Iterable, Sequence

from wharfie.model.errors import Internal, InvalidArgument
from wharfie.model.ids import Digest

CHUNK = 4 << 20
_MAGIC = b"wharfie1"
_HEADER = struct.Struct("<8sQ")
_COUNT = struct.Struct("<I")
_DATA, _MAP, _KEPT = ".data", ".map", ".kept"


class PartialFile:
    """See `model.content.PartialBlob`. Making it opens or makes the files; blocks.

    Args:
        base: path without suffix.
        digest: what the whole must have.
        size: of the whole.
        publish: renames the data file to its name as a blob, durably; blocks.
        release: lets the next holder in.
    """

    def __init__(
        self,
        base: str,
        digest: Digest,
        size: int,
        *,
        publish: Callable[[int, str], None],
        release: Callable[[], None],
    ) -> None:
        self._base = base
        self._digest = digest
        self._size = size
        self._publish = publish
        self._release = release
        self._counts = [0] * ((size + CHUNK - 1) // CHUNK)
        self._whole = 0
        self._fd = os.open(base + _DATA, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._map = os.open(base + _MAP, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            os.close(self._fd)
            raise
        self._is_open = True
        self._writes: set[asyncio.Future[None]] = set()
        self._load()

    @property
    def size(self) -> int:
        """Bytes of the whole blob."""
        return self._size

    @property
    def descriptor(self) -> int:
        """The file, open for reading."""
        return self._fd

    @property
    def present(self) -> int:
        """Bytes that are there."""
        return sum(self._counts)

    @property
    def prefix(self) -> int:
        """Bytes that are there from the beginning on."""
        counts = self._counts
        while self._whole < len(counts) and counts[self._whole] == self._length(self._whole):
            self._whole += 1
        if self._whole == len(counts):
            return self._size
        return self._whole * CHUNK + counts[self._whole]

    def gaps(self) -> Sequence[tuple[int, int]]:
        """What is missing, chunk by chunk."""
        return [
            (number * CHUNK + count, number * CHUNK + self._length(number))
            for number, count in enumerate(self._counts)
            if count < self._length(number)
        ]

    async def write(self, offset: int, data: bytes | memoryview) -> None:
        """Add bytes behind those of the chunk they belong to; may run into the next chunks."""
        # Not to_thread: a caller that is cancelled leaves the write running, and the descriptor
        # must not be closed under it.
        loop = asyncio.get_running_loop()
        writing: asyncio.Future[None] = loop.run_in_executor(None, self._write, offset, data)
        self._writes.add(writing)
        writing.add_done_callback(self._writes.discard)
        try:
            await asyncio.shield(writing)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Internal(f"write {self._base}{_DATA}: no space left on device") from None
            raise Internal(f"write {self._base}{_DATA}: {error.strerror}") from None

    async def publish(self, actual: Digest) -> Digest:
        """Make it a blob."""
        if actual != self._digest:
            await self.drop()
            raise InvalidArgument(
                f"filesystem layer verification failed for digest {self._digest}: "
                f"the registry sent bytes with digest {actual}"
            )
        await asyncio.to_thread(self._finish)
        return self._digest

    async def drop(self) -> None:
        """Forget what came."""
        await self._settle()
        if self._is_open:
            await asyncio.to_thread(self._remove)

    async def close(self) -> None:
        """Keep what came for another time."""
        await self._settle()
        if self._is_open:
            if not self.present:
                await self.drop()
                return
            self._shut()

    async def _settle(self) -> None:
        if self._writes:
            await asyncio.wait(self._writes)

    def _write(self, offset: int, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            number = offset // CHUNK
            if offset != number * CHUNK + self._counts[number]:
                raise Internal(f"a piece of {self._digest} does not join what is there")
            piece = view[: self._length(number) - self._counts[number]]
            done = 0
            while done < len(piece):
                done += os.pwrite(self._fd, piece[done:], offset + done)
            count = self._counts[number] + len(piece)
            os.pwrite(self._map, _COUNT.pack(count), _HEADER.size + number * _COUNT.size)
            self._counts[number] = count
            view = view[len(piece) :]
            offset += len(piece)

    def _load(self) -> None:
        """Read the map; what does not fit together begins anew."""
        length = len(self._counts) * _COUNT.size
        data = os.pread(self._map, _HEADER.size + length + 1, 0)
        if len(data) == _HEADER.size + length and data.startswith(_HEADER.pack(_MAGIC, self._size)):
            counts = [count for (count,) in _COUNT.iter_unpack(data[_HEADER.size :])]
            if all(count <= self._length(number) for number, count in enumerate(counts)):
                self._counts = counts
                os.utime(self._map)
                return
        os.ftruncate(self._fd, 0)
        os.ftruncate(self._map, 0)
        os.pwrite(self._map, _HEADER.pack(_MAGIC, self._size) + bytes(length), 0)

    def _length(self, number: int) -> int:
        return min(CHUNK, self._size - number * CHUNK)

    def _finish(self) -> None:
        if not self._is_open or self.gaps():
            raise Internal(f"blob {self._digest} is not complete")
        # First the mark, then the name: a blob nobody knows would be swept.
        os.close(os.open(self._base + _KEPT, os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._publish(self._fd, self._base + _DATA)
        self._remove()

    def _remove(self) -> None:
        # The map first: data without a map is begun anew.
        for suffix in (_MAP, _DATA):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._base + suffix)
        self._shut()

    def _shut(self) -> None:
        self._is_open = False
        os.close(self._fd)
        os.close(self._map)
        self._release()


class Partials:
    """All blobs on their way; each has one holder at a time."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self.kept = {
            name.removesuffix(_KEPT) for name in os.listdir(directory) if name.endswith(_KEPT)
        }
        """Names of blobs that wait for their pull to be finished."""

    async def open(
        self, name: str, digest: Digest, size: int, publish: Callable[[int, str], None]
    ) -> PartialFile:
        """Open one, waiting for its holder."""
        lock, waiting = self._locks.get(name, (asyncio.Lock(), 0))
        self._locks[name] = (lock, waiting + 1)
        try:
            await lock.acquire()
        except BaseException:
            self._leave(name)
            raise
        loop = asyncio.get_running_loop()

        def publish_kept(fd: int, path: str) -> None:
            publish(fd, path)
            self.kept.add(name)

        def release() -> None:
            try:
                is_here = asyncio.get_running_loop() is loop
            except RuntimeError:
                is_here = False
            if is_here:
                self._release(name, lock)
            else:
                loop.call_soon_threadsafe(self._release, name, lock)

        base = os.path.join(self._directory, name)
        try:
            return PartialFile(base, digest, size, publish=publish_kept, release=release)
        except OSError as error:
            self._release(name, lock)
            raise Internal(f"open {base}: {error.strerror}") from None

    def forget(self, names: Iterable[str]) -> None:
        """Delete what is there of blobs nobody holds. Blocks."""
        for name in names:
            if name not in self._locks:
                for suffix in (_MAP, _DATA, _KEPT):
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(os.path.join(self._directory, name + suffix))
                self.kept.discard(name)

    def expire(self, older_than: float) -> int:
        """Delete what nobody has touched for so many seconds; bytes freed. Blocks."""
        youngest: dict[str, float] = {}
        sizes: dict[str, int] = {}
        for entry in os.scandir(self._directory):
            name = entry.name.partition(".")[0]
            status = entry.stat(follow_symlinks=False)
            youngest[name] = max(youngest.get(name, 0.0), status.st_mtime)
            sizes[name] = sizes.get(name, 0) + status.st_blocks * 512
        limit = time.time() - older_than
        old = [name for name, at in youngest.items() if at <= limit and name not in self._locks]
        self.forget(old)
        return sum(sizes[name] for name in old)

    def _release(self, name: str, lock: asyncio.Lock) -> None:
        lock.release()
        self._leave(name)

    def _leave(self, name: str) -> None:
        lock, waiting = self._locks[name]
        if waiting == 1:
            del self._locks[name]
        else:
            self._locks[name] = (lock, waiting - 1)
