"""A json-file log on disk: appended to, rotated, compressed. Runs in writer threads.

    x-json.log  x-json.log.1  x-json.log.2.gz …      newest first, mode 0640

A record is whole or not there: after a failed write the file is cut back, and a record torn by
a crash is cut off when the file is opened again.
"""

from __future__ import annotations

import contextlib
import os
import zlib

from wharfie.supervisor import protocol
from wharfie.supervisor.protocol import Message

_TAIL = 256 * 1024
_COPY = 1 << 18


class LogSettings:
    """What a log was asked to be; the fields of `model.task.LogSpec`."""

    __slots__ = ("attributes", "compress", "driver", "max_files", "max_size", "path")

    def __init__(self, message: Message) -> None:
        self.driver = protocol.text(message, "driver", "json-file")
        self.path = protocol.text(message, "path")
        self.max_size = protocol.number(message, "max_size")
        self.max_files = max(1, protocol.number(message, "max_files", 1))
        self.compress = protocol.flag(message, "compress")
        self.attributes = protocol.table(message, "attributes")

    def to_message(self) -> Message:
        """The same as a message."""
        return {
            "driver": self.driver,
            "path": self.path,
            "max_size": self.max_size,
            "max_files": self.max_files,
            "compress": self.compress,
            "attributes": self.attributes,
        }


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
                end = block.find(b"\n", start + max(room - 1, 0)) + 1 or end
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

    def _cut_torn_record(self) -> None:
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
