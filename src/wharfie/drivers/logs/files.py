"""One log file: whole lines out of it, and where its tail begins."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from io import FileIO
from typing import BinaryIO, cast

import msgspec
from msgspec import Struct

from wharfie.model.logs import LogEntry

SLICE = 1 << 18
_BLOCK = 1 << 16
_STREAMS = {"stdout": 1, "stderr": 2}


class _Line(Struct, frozen=True):
    log: str = ""
    stream: str = "stdout"
    time: str = ""
    attrs: dict[str, str] | None = None


_decoder = msgspec.json.Decoder(_Line)


class LogFile:
    """An open log file, read line-wise from a position; `limit` bounds what is read, -1 not."""

    def __init__(self, file: BinaryIO, raw: FileIO, *, inode: tuple[int, int]) -> None:
        self._file = file
        self._raw = raw
        self.inode = inode
        self.limit = -1
        self._rest = b""
        self._position = 0

    def read_lines(self) -> bytes:
        """The next whole lines, about `SLICE` bytes; b"" when there is none (yet)."""
        while True:
            size = SLICE if self.limit < 0 else min(SLICE, self.limit - self._position)
            data = self._file.read(size) if size > 0 else b""
            if not data:
                return b""
            self._position += len(data)
            data = self._rest + data
            end = data.rfind(b"\n") + 1
            self._rest = data[end:]
            if end:
                return data[:end]

    def seek(self, position: int) -> None:
        """Go on at a position that begins a line."""
        self._file.seek(position)
        self._position = position
        self._rest = b""

    def size(self) -> int:
        """Bytes that may be read."""
        whole = self._file.seek(0, os.SEEK_END)
        self._file.seek(self._position)
        return whole if self.limit < 0 else min(whole, self.limit)

    def block(self, start: int, end: int) -> bytes:
        """Bytes from `start` to `end`, wherever reading is."""
        self._file.seek(start)
        data = self._file.read(end - start)
        self._file.seek(self._position)
        return data

    def close(self) -> None:
        """Close the file; idempotent. A gzip reader does not close what it reads from."""
        self._file.close()
        self._raw.close()


def open_log(path: str, present: LogFile | None) -> LogFile | None:
    """Open a log file; None when it is missing, or is the one that is open already."""
    try:
        # Unbuffered: what is written after an end of file was seen must be seen next time.
        raw = open(path, "rb", buffering=0)  # noqa: SIM115 - it is the caller's from here on
    except FileNotFoundError:
        return None
    status = os.fstat(raw.fileno())
    inode = (status.st_dev, status.st_ino)
    if present is not None and present.inode == inode:
        raw.close()
        return None
    if path.endswith(".gz"):
        packed = gzip.GzipFile(fileobj=raw, mode="rb")
        return LogFile(cast(BinaryIO, packed), raw, inode=inode)
    return LogFile(cast(BinaryIO, raw), raw, inode=inode)


def find_tail(file: LogFile, lines: int) -> int:
    """Seek to the last `lines` lines; returns how many there are, at most `lines`."""
    if lines <= 0:
        file.seek(file.size())
        return 0
    position = size = file.size()
    found = -1  # the newline that ends the last line begins none
    while position > 0:
        start = max(0, position - _BLOCK)
        block = file.block(start, position)
        here = block.count(b"\n")
        if found + here >= lines:
            file.seek(start + _nth_from_end(block, lines - found) + 1)
            return lines
        found += here
        position = start
    file.seek(0)
    return found + 1 if size else 0


def _nth_from_end(block: bytes, number: int) -> int:
    """Position of the `number`-th newline from the end, 1 for the last."""
    position = len(block)
    for _ in range(number):
        position = block.rindex(b"\n", 0, position)
    return position


def decode_lines(data: bytes) -> Iterator[LogEntry]:
    """Entries of whole lines; a damaged line (a torn write before a crash) is passed over."""
    for line in data.split(b"\n"):
        if not line:
            continue
        try:
            read = _decoder.decode(line)
        except msgspec.DecodeError:
            continue
        yield LogEntry(
            _STREAMS.get(read.stream, 1),
            read.time,
            read.log.encode("utf-8", "surrogateescape"),
            read.attrs or {},
        )
