"""One log file: whole records out of it, and where its tail begins."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Callable
from io import FileIO
from typing import BinaryIO, cast

from wharfie.formats.logs import jsonread, localread
from wharfie.formats.logs.locallog import DamagedLog
from wharfie.formats.logs.runs import LogRun
from wharfie.model.logs import LogFormat

SLICE = 1 << 19
_BLOCK = 1 << 16
_HEAD = 1 << 12
_WHOLE_RECORD = 1 << 21


DECODERS: dict[LogFormat, Callable[[bytes], tuple[list[LogRun], int]]] = {
    LogFormat.JSON: jsonread.decode_runs,
    LogFormat.LOCAL: localread.decode_runs,
}


class LogFile:
    """An open log file, read from a position; `limit` bounds what is read, -1 not."""

    def __init__(
        self, file: BinaryIO, raw: FileIO, *, inode: tuple[int, int], format_: LogFormat
    ) -> None:
        self._file = file
        self._raw = raw
        self._decode = DECODERS[format_]
        self.format = format_
        self.inode = inode
        self.limit = -1
        self._rest = b""
        self._position = 0

    def read_runs(self) -> list[LogRun]:
        """The runs of the next whole records, of about `SLICE` bytes; [] for none (yet)."""
        while True:
            size = SLICE if self.limit < 0 else min(SLICE, self.limit - self._position)
            data = self._file.read(size) if size > 0 else b""
            if not data:
                return []
            self._position += len(data)
            data = self._rest + data
            runs, end = self._decode(data)
            self._rest = data[end:]
            if runs:
                return runs

    def head(self) -> bytes:
        """The first bytes; those of two files of one log differ, as their times do."""
        return self.block(0, _HEAD)

    def first_time(self) -> str:
        """When the first record was logged, "" when there is none yet."""
        runs, _ = self._decode(self.block(0, _BLOCK))
        return runs[0].time if runs else ""

    def seek(self, position: int) -> None:
        """Go on at a position that begins a record."""
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


def open_log(
    path: str, format_: LogFormat, present: LogFile | None, *, backwards: bool = False
) -> LogFile | None:
    """Open a log file; None when it is missing, or is the one that is open already.

    Args:
        path: the file; `.gz` is read unpacked.
        format_: of the file.
        present: the one that is open already.
        backwards: it will be read from its end; a packed one is unpacked aside first.
    """
    try:
        # Unbuffered: what is written after an end of file was seen must be seen next time.
        raw = open(path, "rb", buffering=0)  # noqa: SIM115 - it is the caller's from here on
    except (FileNotFoundError, NotADirectoryError):
        return None
    status = os.fstat(raw.fileno())
    inode = (status.st_dev, status.st_ino)
    if present is not None and present.inode == inode:
        raw.close()
        return None
    file = cast(BinaryIO, raw)
    if path.endswith(".gz"):
        file = cast(BinaryIO, gzip.GzipFile(fileobj=raw, mode="rb"))
        if backwards:
            file = _unpack(file, os.path.dirname(path))
    return LogFile(file, raw, inode=inode, format_=format_)


def _unpack(packed: BinaryIO, directory: str) -> BinaryIO:
    aside = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - it is the caller's
    with packed:
        shutil.copyfileobj(packed, aside, SLICE)
    aside.seek(0)
    return cast(BinaryIO, aside)


def find_tail(file: LogFile, records: int) -> int:
    """Seek to the last `records` records; returns how many there are, at most `records`."""
    if records <= 0:
        file.seek(file.size())
        return 0
    if file.format is LogFormat.LOCAL:
        return _find_local_tail(file, records)
    position = size = file.size()
    found = -1  # the newline that ends the last line begins none
    while position > 0:
        start = max(0, position - _BLOCK)
        block = file.block(start, position)
        here = block.count(b"\n")
        if found + here >= records:
            file.seek(start + _nth_from_end(block, records - found) + 1)
            return records
        found += here
        position = start
    file.seek(0)
    return found + 1 if size else 0


def _find_local_tail(file: LogFile, records: int) -> int:
    position = file.size()
    found = 0
    room = _BLOCK
    while position > 0 and found < records:
        start = max(0, position - room)
        try:
            begin, here = localread.tail_start(file.block(start, position), records - found)
        except DamagedLog:
            break  # what is before the damage cannot be told from the end
        found += here
        position = start + begin
        if here:
            room = _BLOCK
        elif start and room < _WHOLE_RECORD:
            room *= 2
        else:
            break
    file.seek(position)
    return found


def _nth_from_end(block: bytes, number: int) -> int:
    """Position of the `number`-th newline from the end, 1 for the last."""
    position = len(block)
    for _ in range(number):
        position = block.rindex(b"\n", 0, position)
    return position
