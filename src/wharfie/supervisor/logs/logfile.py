"""A log on disk: appended to, rotated, compressed. Runs in writer threads.

    x-json.log  x-json.log.1  x-json.log.2.gz …      newest first, mode 0640

A record is whole or not there: after a failed write the file is cut back, and a record torn by
a crash is cut off when the file is opened again.
"""

from __future__ import annotations

import contextlib
import os
import zlib

from wharfie.formats.logs import locallog
from wharfie.formats.logs.locallog import DamagedLog
from wharfie.supervisor.logs.settings import LogSettings

_TAIL = 256 * 1024
_COPY = 1 << 18


class LogFile:
    """The current file of a log; used by one thread at a time.

    Attributes:
        size: bytes of complete records in the current file.
        pinned, unpinned: how often; while they differ the file is not rotated (a reader was
            promised a position in it). Each is counted by one thread only.
    """

    __slots__ = ("_fd", "_settings", "pinned", "size", "unpinned")

    def __init__(self, settings: LogSettings) -> None:
        self._settings = settings
        self._fd = -1
        self.size = 0
        self.pinned = 0
        self.unpinned = 0

    def open(self) -> None:
        """Open or create the file; OSError when that cannot be."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        if self._settings.is_local:
            with contextlib.suppress(FileExistsError):
                os.mkdir(os.path.dirname(self._settings.path), 0o700)
        self._fd = os.open(self._settings.path, flags, 0o640)
        self.size = os.fstat(self._fd).st_size
        if self.size:
            self._cut_torn_record()

    def write(self, blocks: list[bytes]) -> None:
        """Append complete records, rotating as asked; OSError loses what could not be written."""
        if self._fd < 0:
            self.open()
        limit = self._settings.max_size
        if not limit:
            self._append(blocks)
            return
        for block in blocks:
            self._append_limited(block, limit)

    def close(self) -> None:
        """Close the file; writing opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _append_limited(self, block: bytes, limit: int) -> None:
        start = 0
        while start < len(block):
            if self.size >= limit and self.pinned == self.unpinned:
                self._rotate()
            room = limit - self.size
            end = len(block)
            if self.pinned == self.unpinned and end - start > room:
                end = self._end_of_record(block, start, max(room, 1))
            self._append([block[start:end]])
            start = end

    def _append(self, blocks: list[bytes]) -> None:
        try:
            for first in range(0, len(blocks), 512):
                some = blocks[first : first + 512]
                total = sum(map(len, some))
                written = os.writev(self._fd, some)
                while written < total:
                    written += os.write(self._fd, b"".join(some)[written:])
                self.size += total
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self.size)
            raise

    def _end_of_record(self, block: bytes, start: int, room: int) -> int:
        """Where the first record ends that reaches or passes `room` bytes from `start`."""
        if not self._settings.is_local:
            return block.find(b"\n", start + room - 1) + 1 or len(block)
        end = start
        while end - start < room and end < len(block):
            end = locallog.next_record(block, end)
        return end

    def _cut_torn_record(self) -> None:
        if self._settings.is_local:
            self._cut_torn_frame()
        else:
            self._cut_torn_line()

    def _cut_torn_frame(self) -> None:
        """Cut after the last whole record; usually that is the end, which its length tells."""
        tail = os.pread(
            self._fd, locallog.MAX_RECORD + 8, max(0, self.size - locallog.MAX_RECORD - 8)
        )
        last = int.from_bytes(tail[-4:], "big") + 8
        with contextlib.suppress(DamagedLog):
            if last <= len(tail) and locallog.next_record(tail, len(tail) - last) == len(tail):
                return
        whole = self._count_whole()
        os.ftruncate(self._fd, whole)
        self.size = whole

    def _count_whole(self) -> int:
        position = 0
        while data := os.pread(self._fd, 2 * locallog.MAX_RECORD, position):
            end = 0
            try:
                while (following := locallog.next_record(data, end)) >= 0:
                    end = following
            except DamagedLog:
                return position + end
            if not end:
                break
            position += end
        return position

    def _cut_torn_line(self) -> None:
        start = max(0, self.size - _TAIL)
        tail = os.pread(self._fd, _TAIL, start)
        if tail.endswith(b"\n"):
            return
        newline = tail.rfind(b"\n") + 1
        if newline or not start:
            self.size = start + newline
            os.ftruncate(self._fd, self.size)
        else:
            os.write(self._fd, b"\n")
            self.size += 1

    def _rotate(self) -> None:
        path, count = self._settings.path, self._settings.max_files
        if count == 1:
            os.ftruncate(self._fd, 0)
            self.size = 0
            return
        for suffix in ("", ".gz"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{path}.{count - 1}{suffix}")
        for number in range(count - 2, 0, -1):
            for suffix in ("", ".gz"):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(f"{path}.{number}{suffix}", f"{path}.{number + 1}{suffix}")
        os.rename(path, f"{path}.1")
        self.close()
        self.open()
        if self._settings.compress:
            compress(f"{path}.1")


def compress(path: str) -> None:
    """Replace a file by its gzipped form, `<path>.gz`; a failure leaves it as it is."""
    target = f"{path}.gz"
    temporary = f"{target}.tmp"
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    try:
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        with open(temporary, "wb", buffering=0, opener=_open_private) as out:
            while chunk := os.read(source, _COPY):
                out.write(packer.compress(chunk))
            out.write(packer.flush())
        os.rename(temporary, target)
        os.unlink(path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
    finally:
        os.close(source)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o640)
