"""Logs of the local driver read back: whole records in, runs of output out."""

from __future__ import annotations

from itertools import chain, repeat

from wharfie.formats.logs.locallog import DamagedLog, decode, next_record
from wharfie.formats.logs.rfc3339 import rfc3339_nano
from wharfie.formats.logs.runs import LogRun

_WINDOW = 1 << 12
_MAX_WINDOW = 1 << 17
_MAX_SHORT = 16383
_SLACK = 1 << 11
_TRY = 64
"""Records after which many at once are tried again."""


def decode_runs(data: bytes) -> tuple[list[LogRun], int]:
    """The runs of all whole records, and where the last one ends.

    Nothing of what follows damage: it counts as read.
    """
    runs: list[LogRun] = []
    position, size = 0, len(data)
    head = tail = b""
    lines: list[bytes] = []
    alike = _Alike()
    try:
        while position < size:
            end = next_record(data, position)
            if end < 0:
                break
            begin = position + 4
            line = None
            if head and data.startswith(head, begin) and data.endswith(tail, begin, end - 4):
                line = _text(data, begin + len(head), end - 4 - len(tail))
            if line is not None:
                lines.append(line)
                if len(lines) % _TRY == 2:
                    found, end = alike.read(data, end, head, tail)
                    lines += found
            else:
                record, attributes = decode(data[begin : end - 4])
                lines = [record.line]
                end_of_line = b"\n" if record.is_whole else b""
                time = rfc3339_nano(record.time)
                runs.append(LogRun(record.stream, time, lines, attributes, end_of_line))
                is_plain = record.partial is None
                head, tail = _frame(data[begin : end - 4], record.line) if is_plain else (b"", b"")
            position = end
    except DamagedLog:
        return runs, size
    return runs, position


class _Alike:
    """Reads many records at once that differ in nothing but their lines.

    A window is split at what stands before each line, every piece cut to its line, and then all
    put together again to see that it was right: several times as fast as record by record.
    """

    def __init__(self) -> None:
        self._window = _WINDOW
        self._counts: dict[int, bytes] = {}
        self._lengths: dict[int, bytes] = {}
        self._around = 0

    def read(self, data: bytes, start: int, head: bytes, tail: bytes) -> tuple[list[bytes], int]:
        """The lines of such records from `start` on, and where the last of them ends.

        Not of all: the last one of a window is always left to the caller.
        """
        lines: list[bytes] = []
        begin, window = start, self._window
        while True:
            block = data[start : start + window]
            found, size = self._read(block, head, tail)
            lines += found
            start += size
            if not found or len(block) - size > 2 * size // len(found) + _SLACK:
                self._window = max(_WINDOW, start - begin)
                return lines, start
            window = min(window * 2, _MAX_WINDOW)

    def _read(self, block: bytes, head: bytes, tail: bytes) -> tuple[list[bytes], int]:
        pieces = block.split(head)
        if len(pieces) < 3:
            return [], 0
        first = pieces.pop(0)
        del pieces[-1]
        behind = len(tail) + 8  # its length, and that of the next one
        short = 128 + behind
        found = [piece[1:-behind] if len(piece) <= short else piece[2:-behind] for piece in pieces]
        sizes = list(map(len, found))
        if max(sizes) > _MAX_SHORT:
            return [], 0
        self._learn(sizes, len(head) + len(tail))
        lengths = list(map(self._lengths.__getitem__, sizes))
        following = [*lengths[1:], pieces[-1][-4:]]
        counts = map(self._counts.__getitem__, sizes)
        parts = zip(counts, found, repeat(tail, len(found)), lengths, following, strict=True)
        whole = b"".join(pieces)
        if first != lengths[0] or b"".join(chain.from_iterable(parts)) != whole:
            return [], 0
        return found, len(whole) + len(pieces) * len(head)

    def _learn(self, sizes: list[int], around: int) -> None:
        """Have the spellings of the sizes of lines, and of the records that they make."""
        if around != self._around:
            self._lengths.clear()
            self._around = around
        for size in set(sizes).difference(self._lengths):
            count = bytes((size,)) if size < 128 else bytes((size & 127 | 128, size >> 7))
            self._counts[size] = count
            self._lengths[size] = (around + len(count) + size).to_bytes(4, "big")


def _text(data: bytes, start: int, end: int) -> bytes | None:
    """A length of one or two bytes and a text that fills the rest; None when it is not so."""
    size = data[start]
    start += 1
    if size > 127:
        size += (data[start] << 7) - 128
        start += 1
    return data[start:end] if end - start == size else None


def _frame(record: bytes, line: bytes) -> tuple[bytes, bytes]:
    """What surrounds the line's length and text in a record that is a whole line.

    Records that have the same before and after hold a line of the same run: the time and the
    stream are before it. Only lines whose length takes one or two bytes are compared so.
    """
    start = record.find(b"\x1a", 10) + 1
    text = start + 1 + (len(line) > 127)
    if not start or len(line) > _MAX_SHORT or record[text : text + len(line)] != line:
        return b"", b""
    return record[:start], record[text + len(line) :]


def tail_start(block: bytes, records: int) -> tuple[int, int]:
    """Where the last `records` records of a block begin that ends one, and how many they are.

    Fewer when the block begins inside a record: then the caller asks again with a longer one.

    Raises:
        DamagedLog: the block does not end a record.
    """
    position = len(block)
    found = 0
    while found < records and position >= 8:
        size = int.from_bytes(block[position - 4 : position], "big")
        start = position - size - 8
        if start < 0:
            break
        if block[start : start + 4] != block[position - 4 : position]:
            raise DamagedLog("lengths before and after a record differ")
        position = start
        found += 1
    return position, found
