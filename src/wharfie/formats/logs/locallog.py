"""Docker's `local` log: records between their lengths, so that a file can be read both ways.

    length (4 bytes, big-endian) · record · length

A record is the protobuf message
    1 source "stdout"   2 time_nano   3 line (without newline)   4 partial
    5 {1 last  2 id  3 ordinal}       6 attributes, each {1 key  2 value}

Source: moby `daemon/logger/internal/logdriver/entry.proto`, `daemon/logger/local`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping

from wharfie.formats.logs.lines import STDERR, STDOUT, Lines, Partial, Record

MAX_RECORD = 1 << 20
"""A length above this is damage: a line has 16 KiB, attributes are bounded by the API."""
_LENGTH = struct.Struct(">I")
_NAMES = {STDOUT: b"stdout", STDERR: b"stderr"}
_STREAMS = {name: stream for stream, name in _NAMES.items()}


class DamagedLog(ValueError):
    """Bytes that are no records."""


class LocalLogEncoder:
    """Turns the output of one task into records."""

    __slots__ = ("_attributes", "_lines")

    def __init__(self, attributes: Mapping[str, str], make_id: Callable[[], str]) -> None:
        self._attributes = b"".join(
            _field(6, _field(1, key.encode()) + _field(2, value.encode()))
            for key, value in sorted(attributes.items())
        )
        self._lines = Lines(make_id)

    def feed(self, stream: int, data: bytes, time: int) -> bytes:
        """Encode all lines that `data` completes; `time` in nanoseconds since the epoch."""
        lines = self._lines.feed_short(stream, data, time)
        if lines is not None:
            return self._encode_short(stream, lines, time)
        return self._encode(self._lines.feed(stream, data, time))

    def flush(self, stream: int) -> bytes:
        """The stream ended: encode what is left of it."""
        return self._encode(self._lines.flush(stream))

    def pending(self, stream: int) -> bytes:
        """The unfinished line kept back."""
        return self._lines.pending(stream)

    def _encode_short(self, stream: int, lines: list[bytes], time: int) -> bytes:
        """Lines of one time: what surrounds them is made once a length."""
        around = _Around(_head(stream, time), self._attributes)
        parts = [(around[len(line)], line) for line in lines]
        return b"".join(
            [piece for (before, after), line in parts for piece in (before, line, after)]
        )

    def _encode(self, records: Iterator[Record]) -> bytes:
        pack = _LENGTH.pack
        attributes = self._attributes
        pieces: list[bytes] = []
        key = (0, 0)
        head = b""
        for record in records:
            if (record.stream, record.time) != key:
                key = (record.stream, record.time)
                head = _head(record.stream, record.time)
            line = record.line
            tail = attributes if record.partial is None else _partial(record.partial) + attributes
            size = len(line)
            count = bytes((size,)) if size < 128 else _varint(size)
            length = pack(len(head) + len(count) + size + len(tail))
            pieces += (length, head, count, line, tail, length)
        return b"".join(pieces)


class _Around(dict[int, tuple[bytes, bytes]]):
    """What stands before and after a whole line of some length."""

    def __init__(self, head: bytes, tail: bytes) -> None:
        self._head = head
        self._tail = tail

    def __missing__(self, size: int) -> tuple[bytes, bytes]:
        head = self._head + _varint(size)
        length = _LENGTH.pack(len(head) + size + len(self._tail))
        made = self[size] = (length + head, self._tail + length)
        return made


def _head(stream: int, time: int) -> bytes:
    return _field(1, _NAMES[stream]) + b"\x10" + _varint(time) + b"\x1a"


def next_record(data: bytes, start: int) -> int:
    """Where the record that begins at `start` ends; -1 when it is not all there.

    Raises:
        DamagedLog: no record begins here.
    """
    if len(data) - start < 4:
        return -1
    (size,) = _LENGTH.unpack_from(data, start)
    if size > MAX_RECORD:
        raise DamagedLog(f"record of {size} bytes")
    end: int = start + size + 8
    if end > len(data):
        return -1
    if data[end - 4 : end] != data[start : start + 4]:
        raise DamagedLog("lengths before and after a record differ")
    return end


def decode(data: bytes) -> tuple[Record, dict[str, str]]:
    """The record in `data` (without lengths) and its attributes.

    Raises:
        DamagedLog: it is none.
    """
    stream, time, line = STDOUT, 0, b""
    is_partial = False
    partial = Partial("", 0, last=False)
    attributes: dict[str, str] = {}
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes):
            stream = _STREAMS.get(value, STDOUT)
        elif number == 2 and isinstance(value, int):
            time = value
        elif number == 3 and isinstance(value, bytes):
            line = value
        elif number == 4:
            is_partial = bool(value)
        elif number == 5 and isinstance(value, bytes):
            partial = _decode_partial(value)
        elif number == 6 and isinstance(value, bytes):
            pair = [part for _, part in _fields(value) if isinstance(part, bytes)]
            if len(pair) == 2:
                attributes[pair[0].decode(errors="replace")] = pair[1].decode(errors="replace")
    return Record(stream, time, line, partial if is_partial else None), attributes


def _decode_partial(data: bytes) -> Partial:
    found = dict(_fields(data))
    identity = found.get(2, b"")
    ordinal = found.get(3, 0)
    return Partial(
        identity.decode(errors="replace") if isinstance(identity, bytes) else "",
        ordinal if isinstance(ordinal, int) else 0,
        last=bool(found.get(1)),
    )


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    position, size = 0, len(data)
    while position < size:
        tag, position = _read_varint(data, position)
        if tag & 7 == 0:
            number, position = _read_varint(data, position)
            yield tag >> 3, number
        elif tag & 7 == 2:
            length, position = _read_varint(data, position)
            if length > size - position:
                raise DamagedLog("a field is longer than its record")
            yield tag >> 3, data[position : position + length]
            position += length
        else:
            raise DamagedLog(f"wire type {tag & 7}")


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
    raise DamagedLog("a number has no end")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, value: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(value)) + value


def _partial(partial: Partial) -> bytes:
    inner = b"\x08\x01" if partial.last else b""
    inner += _field(2, partial.id.encode()) + b"\x18" + _varint(partial.ordinal)
    return b"\x20\x01" + _field(5, inner)
