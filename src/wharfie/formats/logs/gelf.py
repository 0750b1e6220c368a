"""GELF 1.1 messages: JSON, for UDP compressed and cut into chunks, for TCP ended by a zero byte.

A chunk is 0x1e 0x0f, the message's ID (8 bytes), its number, the count of chunks, data.
Source: Graylog's "GELF" specification.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import orjson

from wharfie.formats.logs.lines import STDERR, Record

CHUNK = 1420
"""Bytes of a datagram, header included: what passes most networks in one piece."""
MAX_CHUNKS = 128
_MAGIC = b"\x1e\x0f"
_HEADER = 12
_WINDOW = {"gzip": 31, "zlib": 15}


class GelfEncoder:
    """Encodes records for one container.

    Args:
        fields: of every message, names with their leading underscore.
        hostname: of this host.
        datagrams: for UDP; otherwise for TCP.
        compression: "gzip", "zlib" or "none"; of datagrams only.
        level: -1 to 9.
        make_id: makes up the 8 bytes that the chunks of one message share.
    """

    def __init__(
        self,
        fields: Mapping[str, str],
        *,
        hostname: str,
        datagrams: bool,
        compression: str,
        level: int,
        make_id: Callable[[], bytes],
    ) -> None:
        self._fields = dict(fields)
        self._hostname = hostname
        self._datagrams = datagrams
        self._window = _WINDOW.get(compression, 0)
        self._level = level
        self._make_id = make_id

    def encode(self, record: Record) -> list[bytes]:
        """The datagrams of a record, or its one message; none when it is too long for UDP."""
        message = orjson.dumps(
            {
                "version": "1.1",
                "host": self._hostname,
                "short_message": record.line.decode(errors="replace"),
                "timestamp": record.time // 1_000_000 / 1000,
                "level": 3 if record.stream == STDERR else 6,
                **self._fields,
            }
        )
        if not self._datagrams:
            return [message + b"\0"]
        if self._window:
            packer = zlib.compressobj(self._level, zlib.DEFLATED, self._window)
            message = packer.compress(message) + packer.flush()
        return self._chunks(message)

    def _chunks(self, message: bytes) -> list[bytes]:
        if len(message) <= CHUNK:
            return [message]
        room = CHUNK - _HEADER
        parts = [message[start : start + room] for start in range(0, len(message), room)]
        if len(parts) > MAX_CHUNKS:
            return []
        head = _MAGIC + self._make_id()
        return [head + bytes((n, len(parts))) + part for n, part in enumerate(parts)]
