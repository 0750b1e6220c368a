"""Messages of Fluentd's forward protocol, and its acknowledgements, in MessagePack.

A message is `[tag, time, record]`, with `{"chunk": id}` behind when it is to be acknowledged;
the answer is `{"ack": id}`. Source: fluentd's "Forward Protocol Specification v1".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from wharfie.formats.logs.lines import STDERR, Record

SECOND = 1_000_000_000


class FluentEncoder:
    """Encodes records for one container.

    Args:
        tag: of every message.
        fields: of every record.
        sub_second: send times with nanoseconds (EventTime) instead of whole seconds.
    """

    def __init__(self, tag: str, fields: Mapping[str, str], *, sub_second: bool) -> None:
        self._tag = _text(tag.encode())
        self._fields = dict(fields)
        self._sub_second = sub_second

    def encode(self, record: Record, chunk: str = "") -> list[bytes]:
        """The one message of a record; `chunk` is the ID to be acknowledged, "" for none."""
        second, fraction = divmod(record.time, SECOND)
        if self._sub_second:
            time = b"\xd7\x00" + struct.pack(">II", second & 0xFFFFFFFF, fraction)
        else:
            time = b"\xce" + struct.pack(">I", second & 0xFFFFFFFF)
        values = {
            b"source": b"stderr" if record.stream == STDERR else b"stdout",
            b"log": record.line,
            **{key.encode(): value.encode() for key, value in self._fields.items()},
        }
        partial = record.partial
        if partial is not None:
            values[b"partial_message"] = b"true"
            values[b"partial_id"] = partial.id.encode()
            values[b"partial_ordinal"] = str(partial.ordinal).encode()
            values[b"partial_last"] = str(partial.last).lower().encode()
        body = b"".join(_text(key) + _text(value) for key, value in values.items())
        message = self._tag + time + _count(len(values)) + body
        if not chunk:
            return [b"\x93" + message]
        return [b"\x94" + message + b"\x81" + _text(b"chunk") + _text(chunk.encode())]


def parse_ack(data: bytes) -> tuple[str, int] | None:
    """The ID acknowledged at the start of `data` and where that ends; None when more is to come.

    Raises:
        ValueError: it is no acknowledgement.
    """
    if not data:
        return None
    if data[0] != 0x81:
        raise ValueError("no acknowledgement")
    key = _read_text(data, 1)
    value = _read_text(data, key[1]) if key is not None else None
    if key is None or value is None:
        return None
    if key[0] != b"ack":
        raise ValueError("no acknowledgement")
    return value[0].decode(errors="replace"), value[1]


def _read_text(data: bytes, start: int) -> tuple[bytes, int] | None:
    if len(data) <= start:
        return None
    first = data[start]
    if 0xA0 <= first <= 0xBF:
        size, begin = first & 31, start + 1
    elif first in (0xD9, 0xC4) and len(data) > start + 1:
        size, begin = data[start + 1], start + 2
    elif first in (0xD9, 0xC4):
        return None
    else:
        raise ValueError("no acknowledgement")
    end = begin + size
    return (data[begin:end], end) if len(data) >= end else None


def _text(value: bytes) -> bytes:
    size = len(value)
    if size < 32:
        return bytes((0xA0 | size,)) + value
    if size < 256:
        return b"\xd9" + bytes((size,)) + value
    if size < 65536:
        return b"\xda" + struct.pack(">H", size) + value
    return b"\xdb" + struct.pack(">I", size) + value


def _count(size: int) -> bytes:
    return bytes((0x80 | size,)) if size < 16 else b"\xde" + struct.pack(">H", size)
