"""The bridge between a WebSocket and a stream, over socket pairs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from support.websockets import ACCEPTED, BINARY, CLOSE, KEY, PING, PONG, client_frame, server_frame
from wharfie.formats.websocket import Opcode
from wharfie.web import HttpError, bridge, handshake_fields

ASKED = {"upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": KEY}


class Ends(NamedTuple):
    """The client's end and the stream's, both blocking, and the bridge between them."""

    client: socket.socket
    stream: socket.socket
    task: asyncio.Task[None]

    async def frame(self) -> tuple[int, bytes]:
        return await asyncio.to_thread(server_frame, self.client)

    async def read(self, size: int) -> bytes:
        return await asyncio.to_thread(self.stream.recv, size)


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    client, outer = socket.socketpair()
    inner, stream = socket.socketpair()
    with client, outer, stream:
        for one in (client, stream):
            one.settimeout(10)
        behind = client_frame(BINARY, b"early")
        work = bridge(outer.fileno(), inner, behind, opcode=Opcode.BINARY)
        task = asyncio.get_running_loop().create_task(work)
        yield Ends(client, stream, task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_b090_bytes_go_both_ways_in_binary_frames(ends: Ends) -> None:
    assert await ends.read(100) == b"early"
    ends.client.sendall(client_frame(BINARY, b"x" * 300))
    assert await ends.read(1000) == b"x" * 300
    ends.stream.sendall(b"answer")
    assert await ends.frame() == (BINARY, b"answer")


async def test_the_end_of_the_stream_closes_the_websocket(ends: Ends) -> None:
    ends.stream.sendall(b"last")
    ends.stream.close()
    assert await ends.frame() == (BINARY, b"last")
    assert await ends.frame() == (CLOSE, b"\x03\xe8")
    async with asyncio.timeout(10):
        await ends.task


async def test_a_close_of_the_clients_is_answered_and_ends_the_stream(ends: Ends) -> None:
    assert await ends.read(100) == b"early"
    ends.client.sendall(client_frame(CLOSE, b"\x03\xe9bye"))
    assert await ends.frame() == (CLOSE, b"\x03\xe9")
    assert await ends.read(100) == b""


async def test_a_lost_client_ends_input_but_not_output(ends: Ends) -> None:
    assert await ends.read(100) == b"early"
    ends.client.shutdown(socket.SHUT_WR)
    assert await ends.read(100) == b""
    ends.stream.sendall(b"still")
    assert await ends.frame() == (BINARY, b"still")


async def test_pings_are_answered(ends: Ends) -> None:
    ends.client.sendall(client_frame(PING, b"are you there"))
    assert await ends.frame() == (PONG, b"are you there")


async def test_nonsense_is_told_and_ends_it(ends: Ends) -> None:
    ends.client.sendall(b"\x82\x01x")
    assert await ends.frame() == (CLOSE, b"\x03\xea")
    async with asyncio.timeout(10):
        await ends.task


def test_a_handshake_is_accepted_by_its_key() -> None:
    assert handshake_fields(ASKED) == f"Sec-WebSocket-Accept: {ACCEPTED}\r\n".encode()


@pytest.mark.parametrize("name", list(ASKED))
def test_what_is_no_handshake_is_refused(name: str) -> None:
    with pytest.raises(HttpError) as caught:
        handshake_fields({key: value for key, value in ASKED.items() if key != name})
    assert caught.value.status == 400
