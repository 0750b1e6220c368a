"""A WebSocket between a client and a plain stream socket.

Every message's payload goes to the stream, every piece of the stream becomes one frame. The end
of the stream closes the WebSocket; a client's close, or its loss, ends both. Source: RFC 6455.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress

from wharfie.formats.websocket import Decoder, FormatError, Opcode, accept_key, encode
from wharfie.web.errors import HttpError
from wharfie.web.reply import encode_fields

_CHUNK = 1 << 16
_NORMAL, _PROTOCOL_ERROR = (1000).to_bytes(2, "big"), (1002).to_bytes(2, "big")


def handshake_fields(headers: Mapping[str, str]) -> bytes:
    """Header fields that accept a client's handshake.

    Args:
        headers: the request's, names in lower case.

    Raises:
        HttpError: it is no handshake, or of another version.
    """
    if headers.get("upgrade", "").lower() != "websocket":
        raise HttpError(400, "not websocket protocol")
    if headers.get("sec-websocket-version") != "13":
        raise HttpError(400, "missing or bad WebSocket Version")
    try:
        key = accept_key(headers.get("sec-websocket-key", ""))
    except FormatError as error:
        raise HttpError(400, str(error)) from None
    return encode_fields(("Sec-WebSocket-Accept", key))


class _Closed(Exception):
    """One side is done with it."""


async def bridge(client: int, inner: socket.socket, behind: bytes, *, opcode: Opcode) -> None:
    """Carry bytes both ways until either side ends.

    Args:
        client: descriptor of the client's connection, its handshake answered.
        inner: the stream; closed here.
        behind: what the client sent behind its handshake.
        opcode: of the frames to the client, BINARY or TEXT.
    """
    with inner, socket.socket(fileno=client) as outer:
        try:
            inner.setblocking(False)
            outer.setblocking(False)
            both = _Bridge(outer, inner, opcode)
            with suppress(ConnectionError):
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(both.inward(behind))
                        group.create_task(both.outward())
                except* _Closed:
                    pass
        finally:
            outer.detach()  # the descriptor is its owner's to close


class _Bridge:
    def __init__(self, outer: socket.socket, inner: socket.socket, opcode: Opcode) -> None:
        self._outer = outer
        self._inner = inner
        self._opcode = opcode
        self._loop = asyncio.get_running_loop()
        self._sending = asyncio.Lock()

    async def inward(self, behind: bytes) -> None:
        """What the client says."""
        decoder = Decoder()
        data = behind or await self._receive(self._outer)
        while data:
            try:
                for piece in decoder.feed(data):
                    await self._take(piece.opcode, piece.payload)
            except FormatError:
                await self._send(encode(Opcode.CLOSE, _PROTOCOL_ERROR))
                raise _Closed from None
            data = await self._receive(self._outer)
        with suppress(OSError):
            self._inner.shutdown(socket.SHUT_WR)

    async def outward(self) -> None:
        """What the stream says."""
        while data := await self._receive(self._inner):
            await self._send(encode(self._opcode, data))
        await self._send(encode(Opcode.CLOSE, _NORMAL))
        raise _Closed

    async def _take(self, opcode: Opcode, payload: bytes) -> None:
        match opcode:
            case Opcode.CLOSE:
                await self._send(encode(Opcode.CLOSE, payload[:2]))
                raise _Closed
            case Opcode.PING:
                await self._send(encode(Opcode.PONG, payload))
            case Opcode.PONG:
                pass
            case _:
                try:
                    await self._loop.sock_sendall(self._inner, payload)
                except ConnectionError:
                    return  # nobody reads input any more; its output may go on

    async def _send(self, frame: bytes) -> None:
        async with self._sending:
            try:
                await self._loop.sock_sendall(self._outer, frame)
            except ConnectionError:
                raise _Closed from None

    async def _receive(self, side: socket.socket) -> bytes:
        try:
            return await self._loop.sock_recv(side, _CHUNK)
        except ConnectionError:
            return b""
