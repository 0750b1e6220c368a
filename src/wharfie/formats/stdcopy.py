"""Frames of a multiplexed attach or logs stream: bytes in, frames out, and back.

A frame is an 8-byte header (stream number, three zero bytes, big-endian payload length) and
its payload. Source: Engine API, "Attach to a container"; behaviours 81.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

STDIN, STDOUT, STDERR, SYSTEM_ERROR = range(4)
HEADER_SIZE = 8
MAX_PAYLOAD = 16 * 1024 * 1024
_HEADER = struct.Struct(">BxxxI")


class FormatError(ValueError):
    """Not a multiplexed stream."""


class Frame(NamedTuple):
    """One frame; `stream` is STDIN, STDOUT, STDERR or SYSTEM_ERROR."""

    stream: int
    payload: bytes


def encode(stream: int, payload: bytes) -> bytes:
    """One frame as bytes."""
    return _HEADER.pack(stream, len(payload)) + payload


def header(stream: int, size: int) -> bytes:
    """A frame's header alone, for a payload of `size` bytes that is sent separately."""
    return _HEADER.pack(stream, size)


class _Headers(dict[int, bytes]):
    """Headers of one stream by payload size, each behind the end of the payload before."""

    def __init__(self, stream: int, end: bytes) -> None:
        self._stream = stream
        self._end = end

    def __missing__(self, size: int) -> bytes:
        made = self._end + _HEADER.pack(self._stream, size + len(self._end))
        if len(self) < _MAX_HEADERS:
            self[size] = made
        return made


_MAX_HEADERS = 1 << 14
_headers = {
    (stream, end): _Headers(stream, end)
    for stream in range(SYSTEM_ERROR + 1)
    for end in (b"", b"\n")
}


def encode_all(stream: int, payloads: Sequence[bytes], end: bytes = b"") -> bytes:
    """Many frames of one stream, a payload and `end` (nothing, or a newline) each."""
    headers = map(_headers[stream, end].__getitem__, map(len, payloads))
    encoded = b"".join(chain.from_iterable(zip(headers, payloads, strict=True)))
    return encoded[len(end) :] + end if payloads else b""


class Decoder:
    """Splits a byte stream into frames, whatever the chunk boundaries.

    Args:
        max_payload: bytes above which a frame is refused.
    """

    def __init__(self, *, max_payload: int = MAX_PAYLOAD) -> None:
        self._max_payload = max_payload
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame; not 0 at the end of a stream means it was cut off."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield every frame completed by `data`.

        Raises:
            FormatError: unknown stream number, or a payload over `max_payload` bytes.
        """
        self._buffer += data
        position = 0
        try:
            while len(self._buffer) - position >= HEADER_SIZE:
                stream, size = _HEADER.unpack_from(self._buffer, position)
                if stream > SYSTEM_ERROR:
                    raise FormatError(f"unrecognized stream number: {stream}")
                if size > self._max_payload:
                    raise FormatError(f"frame of {size} bytes is too large")
                end = position + HEADER_SIZE + size
                if end > len(self._buffer):
                    return
                payload = bytes(self._buffer[position + HEADER_SIZE : end])
                position = end
                yield Frame(stream, payload)
        finally:
            del self._buffer[:position]
