"""Maps of sparse files: which ranges of a file are stored; the rest are holes.

GNU tar has written them in four ways: in the header block and extension blocks ("old GNU"), as
repeated PAX records (0.0), as one PAX record (0.1), and at the start of the content (1.0).
Source: GNU tar manual, "Storing Sparse Files".
"""

from __future__ import annotations

from typing import TypeAlias

from wharfie.formats.tar.errors import FormatError
from wharfie.formats.tar.header import number

SparseMap: TypeAlias = list[tuple[int, int]]
"""Offset and length of each stored range."""

MAX_RANGES = 1 << 18
_ENTRY = 24
_IN_HEADER = 4
_IN_EXTENSION = 21
_MAX_DIGITS = 19


def parse_block(block: bytes, *, in_header: bool) -> tuple[SparseMap, bool]:
    """Ranges of an old GNU header or extension block, and whether another block follows."""
    start, count = (386, _IN_HEADER) if in_header else (0, _IN_EXTENSION)
    ranges: SparseMap = []
    for index in range(count):
        entry = block[start + index * _ENTRY :][:_ENTRY]
        if not entry[0]:
            break
        ranges.append((number(entry[:12], "sparse offset"), number(entry[12:], "sparse size")))
    return ranges, block[start + count * _ENTRY] != 0


def parse_real_size(block: bytes) -> int:
    """Size of an old GNU sparse file, holes included."""
    return number(block[483:495], "sparse size")


def parse_records(records: list[tuple[bytes, bytes]]) -> SparseMap | None:
    """Ranges of PAX formats 0.0 and 0.1; None when the records tell of none."""
    numbers: list[bytes] = []
    told = False
    for keyword, value in records:
        if keyword in {b"GNU.sparse.offset", b"GNU.sparse.numbytes"}:
            numbers.append(value)
            told = True
        elif keyword == b"GNU.sparse.map":
            numbers = value.split(b",") if value else []
            told = True
    return _pairs(numbers) if told else None


class MapDecoder:
    """Format 1.0: decimal lines (count, then offset and length of each range) before the data."""

    def __init__(self) -> None:
        self._numbers: list[bytes] = []
        self._rest = b""

    def feed(self, block: bytes) -> SparseMap | None:
        """Take one more block of the content; the map once it is complete.

        Raises:
            FormatError: not a number, or too many ranges.
        """
        *lines, self._rest = (self._rest + block).split(b"\n")
        if len(self._rest.strip(b"\0")) > _MAX_DIGITS:
            raise FormatError("invalid sparse map: no number")
        self._numbers.extend(lines)
        if not self._numbers:
            return None
        count = _integer(self._numbers[0])
        if count > MAX_RANGES:
            raise FormatError("invalid sparse map: too many ranges")
        if len(self._numbers) <= 2 * count:
            return None
        return _pairs(self._numbers[1 : 2 * count + 1])


def check(ranges: SparseMap, *, size: int, stored: int) -> SparseMap:
    """Return the ranges that hold something, having made sure they make sense.

    Raises:
        FormatError: they overlap, leave the file, or do not add up to the stored bytes.
    """
    end = total = 0
    for offset, length in ranges:
        if offset < end or offset + length > size:
            raise FormatError("invalid sparse map: ranges overlap or leave the file")
        end = offset + length
        total += length
    if total != stored:
        raise FormatError("invalid sparse map: wrong size")
    return [entry for entry in ranges if entry[1]]


def _pairs(numbers: list[bytes]) -> SparseMap:
    if len(numbers) % 2 or len(numbers) > 2 * MAX_RANGES:
        raise FormatError("invalid sparse map: wrong count")
    values = [_integer(value) for value in numbers]
    return list(zip(values[::2], values[1::2], strict=True))


def _integer(value: bytes) -> int:
    if not value.isdigit() or len(value) > _MAX_DIGITS:
        raise FormatError("invalid sparse map: no number")
    return int(value)
