"""WebSocket frames, as a server reads and writes them: bytes ↔ pieces of messages.

     0               1               2 …
    |F|RSV|opcode |M|length 7     | length 16 or 64 | mask 4 | payload

A message's payload is handed on as it comes, whatever its framing; where one message ends and
the next begins is lost, as the streams it carries know no messages. Source: RFC 6455.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTROL = 0x8
_FINAL, _MASKED, _RESERVED = 0x80, 0x80, 0x70
_MAX_CONTROL = 125
_KEY_BYTES = 16


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class FormatError(ValueError):
    """Bytes that no client may send."""


class Piece(NamedTuple):
    """Some payload: of a message, in as many pieces as it came in, or of a whole control frame."""

    opcode: Opcode
    payload: bytes


def accept_key(key: str) -> str:
    """The answer to a client's `Sec-WebSocket-Key`.

    Raises:
        FormatError: it is none.
    """
    try:
        is_key = len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except ValueError:
        is_key = False
    if not is_key:
        raise FormatError("bad Sec-WebSocket-Key")
    digest = hashlib.sha1(key.encode() + _MAGIC, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def encode(opcode: Opcode, payload: bytes = b"") -> bytes:
    """One whole frame of the server's, which masks nothing."""
    size = len(payload)
    if size <= _MAX_CONTROL:
        length = bytes([size])
    elif size < 1 << 16:
        length = b"\x7e" + size.to_bytes(2, "big")
    else:
        length = b"\x7f" + size.to_bytes(8, "big")
    return bytes([_FINAL | opcode]) + length + payload


class Decoder:
    """Splits what a client sends into pieces, whatever the chunk boundaries."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._opcode = Opcode.CONTINUATION
        self._left = 0
        self._mask = b""
        self._in_message = False

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Yield every piece that `data` brings.

        Raises:
            FormatError: a frame no client may send.
        """
        self._buffer += data
        while True:
            if not self._left and not self._begin():
                return
            is_control = self._opcode & _CONTROL
            if is_control and len(self._buffer) < self._left:
                return
            if self._left and not self._buffer:
                return
            payload = bytes(self._buffer[: self._left])
            del self._buffer[: self._left]
            self._left -= len(payload)
            if payload or is_control:
                yield Piece(self._opcode, self._unmask(payload))

    def _begin(self) -> bool:
        """Take the head of a frame; False while it is not all there."""
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        first, second = buffer[0], buffer[1]
        extra = {126: 2, 127: 8}.get(second & 0x7F, 0)
        head = 2 + extra + 4
        self._check_head(first, second)
        if len(buffer) < head:
            return False
        size = int.from_bytes(buffer[2 : 2 + extra], "big") if extra else second & 0x7F
        if size >= 1 << 63:
            raise FormatError("frame too long")
        self._opcode = self._message_part(first)
        self._left, self._mask = size, bytes(buffer[2 + extra : head])
        del buffer[:head]
        if not size and not self._opcode & _CONTROL:
            return self._begin()
        return True

    def _check_head(self, first: int, second: int) -> None:
        if first & _RESERVED:
            raise FormatError("reserved bits are set")
        if not second & _MASKED:
            raise FormatError("a client's frame must be masked")
        if first & _CONTROL and (not first & _FINAL or second & 0x7F > _MAX_CONTROL):
            raise FormatError("bad control frame")

    def _message_part(self, first: int) -> Opcode:
        try:
            opcode = Opcode(first & 0xF)
        except ValueError:
            raise FormatError(f"unknown opcode {first & 0xF}") from None
        if opcode & _CONTROL:
            return opcode
        if (opcode is Opcode.CONTINUATION) is not self._in_message:
            raise FormatError("a message inside another one, or none to continue")
        self._in_message = not first & _FINAL
        return opcode

    def _unmask(self, payload: bytes) -> bytes:
        size = len(payload)
        if not size:
            return payload
        key = (self._mask * (size // 4 + 1))[:size]
        # What follows of this frame begins elsewhere in the mask.
        turn = size % 4
        self._mask = self._mask[turn:] + self._mask[:turn]
        mixed = int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")
        return mixed.to_bytes(size, "big")
