"""Open files of the local store: objects being read, and objects on their way.

Who vouched for a file's bytes is an extended attribute of it, `user.wharfie.verified`, holding
digest, size and time of the last change: a file that was changed since does not match any more and
is read before it is served. A file system without such attributes is remembered by in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
from collections.abc import AsyncIterator, Sequence

from wharfie.registry.storage.local.durable import place, sync_folders, write_all

_VERIFIED = "user.wharfie.verified"
_PIECE = 1 << 20
_WRITE_OUT = 8 << 20
"""Bytes after which the disk is told to begin: so the last fsync has little left to do."""
_MOST_PIECES = 1024
"""IOV_MAX."""
_SYNC_FILE_RANGE_WRITE = 2
_libc = ctypes.CDLL(None, use_errno=True)


class Vouchers:
    """Who vouched for which file, where the file itself cannot tell."""

    def __init__(self) -> None:
        self._said: dict[tuple[int, int], bytes] = {}

    def give(self, fd: int, digest: str) -> None:
        """The file's bytes have this digest."""
        mark = _mark(fd, digest)
        try:
            os.setxattr(fd, _VERIFIED, mark)
        except OSError:
            # Read-only, or without such attributes.
            found = os.fstat(fd)
            self._said[found.st_dev, found.st_ino] = mark

    def withdraw(self, fd: int) -> None:
        """Nobody vouches for the file any more."""
        with contextlib.suppress(OSError):
            os.removexattr(fd, _VERIFIED)
        found = os.fstat(fd)
        self._said.pop((found.st_dev, found.st_ino), None)

    def holds(self, fd: int, digest: str) -> bool:
        """Tell whether somebody vouched for the file as it is now."""
        mark = _mark(fd, digest)
        try:
            if os.getxattr(fd, _VERIFIED) == mark:
                return True
        except OSError:
            pass
        found = os.fstat(fd)
        return self._said.get((found.st_dev, found.st_ino)) == mark


def _mark(fd: int, digest: str) -> bytes:
    found = os.fstat(fd)
    return f"{digest} {found.st_size} {found.st_mtime_ns}".encode()


async def read_file(fd: int, start: int, end: int) -> AsyncIterator[bytes]:
    """Yield a part of a file; raises OSError where it is shorter."""
    while start < end:
        data = await asyncio.to_thread(os.pread, fd, min(_PIECE, end - start), start)
        if not data:
            raise OSError(f"a file ends at {start}, before {end}")
        start += len(data)
        yield data


class LocalObject:
    """See `ports.storage.OpenObject`."""

    def __init__(self, fd: int, vouchers: Vouchers) -> None:
        self._fd = fd
        self._vouchers = vouchers
        self._size = os.fstat(fd).st_size

    @property
    def size(self) -> int:
        """Bytes of the whole."""
        return self._size

    @property
    def descriptor(self) -> int:
        """The file."""
        return self._fd

    def is_sound(self, digest: str) -> bool:
        """Unchanged since somebody vouched for it."""
        return self._vouchers.holds(self._fd, digest)

    def vouch(self, digest: str) -> None:
        """Remember that its bytes are right."""
        self._vouchers.give(self._fd, digest)

    def doubt(self) -> None:
        """Forget who vouched for it."""
        self._vouchers.withdraw(self._fd)

    def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """A part of it."""
        return read_file(self._fd, start, end)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class LocalStaging:
    """See `ports.storage.Staging`."""

    def __init__(self, fd: int, path: str, top: str, vouchers: Vouchers) -> None:
        self._fd = fd
        self._path = path
        self._top = top
        self._vouchers = vouchers
        self._size = os.fstat(fd).st_size
        self._written_out = self._size
        self._busy: asyncio.Future[None] | None = None

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self._size

    @property
    def is_live(self) -> bool:
        """A file is."""
        return True

    async def append(self, *pieces: bytes) -> None:
        """Add bytes; a cancelled caller leaves the write to finish before the file is closed."""
        loop = asyncio.get_running_loop()
        self._busy = loop.run_in_executor(None, self._append, pieces)
        await asyncio.shield(self._busy)

    def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """A part of it."""
        return read_file(self._fd, start, end)

    async def publish(self, key: str, digest: str) -> None:
        """Rename it; `key` is a path here, see `LocalStore.staging`."""
        await self._settle()
        await asyncio.to_thread(self._publish, f"{self._top}/{key}", digest)

    async def close(self) -> None:
        """Close the file."""
        await self._settle()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    async def _settle(self) -> None:
        if self._busy is not None and not self._busy.done():
            with contextlib.suppress(OSError):
                await asyncio.shield(self._busy)

    def _append(self, pieces: Sequence[bytes]) -> None:
        size = sum(map(len, pieces))
        try:
            if len(pieces) > _MOST_PIECES or os.writev(self._fd, pieces) != size:
                # Cut short by a signal or a full disk; which, the next write tells.
                os.ftruncate(self._fd, self._size)
                write_all(self._fd, b"".join(pieces))
        except OSError:
            # A full disk took a part of it: what was not acknowledged is not there.
            os.ftruncate(self._fd, self._size)
            raise
        self._size += size
        if self._size - self._written_out >= _WRITE_OUT:
            _libc.sync_file_range(
                self._fd,
                ctypes.c_int64(self._written_out),
                ctypes.c_int64(self._size - self._written_out),
                _SYNC_FILE_RANGE_WRITE,
            )
            self._written_out = self._size

    def _publish(self, path: str, digest: str) -> None:
        self._vouchers.give(self._fd, digest)
        os.fsync(self._fd)
        os.close(self._fd)
        self._fd = -1
        sync_folders(place(self._path, path))
