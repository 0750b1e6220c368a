"""Messages in systemd-journald's native protocol, with the fields Docker's driver gives them.

`KEY=value` and a newline; a value with a newline in it as KEY, newline, its length (8 bytes,
little-endian), value, newline. Source: systemd's "Native Journal Protocol".
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from wharfie.formats.logs.lines import STDERR, Record
from wharfie.formats.logs.rfc3339 import rfc3339_nano

_LENGTH = struct.Struct("<Q")


class JournalEncoder:
    """Encodes records for one container; `fields` are those every message has."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = b"".join(
            _field(key.encode(), value.encode()) for key, value in fields.items() if key
        )

    def encode(self, record: Record) -> list[bytes]:
        """The one message of a record."""
        priority = b"3" if record.stream == STDERR else b"6"
        pieces = [
            _field(b"MESSAGE", record.line),
            _field(b"PRIORITY", priority),
            self._fields,
            _field(b"SYSLOG_TIMESTAMP", rfc3339_nano(record.time).encode()),
        ]
        partial = record.partial
        if partial is not None:
            pieces.append(_field(b"CONTAINER_PARTIAL_ID", partial.id.encode()))
            pieces.append(_field(b"CONTAINER_PARTIAL_ORDINAL", str(partial.ordinal).encode()))
            pieces.append(_field(b"CONTAINER_PARTIAL_LAST", str(partial.last).lower().encode()))
            if not partial.last:
                pieces.append(_field(b"CONTAINER_PARTIAL_MESSAGE", b"true"))
        return [b"".join(pieces)]


def _field(key: bytes, value: bytes) -> bytes:
    if b"\n" in value:
        return key + b"\n" + _LENGTH.pack(len(value)) + value + b"\n"
    return key + b"=" + value + b"\n"
