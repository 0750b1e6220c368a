"""The client's stream, driven as a transport drives it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import pytest

from wharfie.web.client import stream as module
from wharfie.web.client.stream import HeadTooLong, Stream


class FakeTransport(asyncio.Transport):
    """Remembers what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.written = b""

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.written += data

    def is_closing(self) -> bool:
        return False


def connected() -> tuple[Stream, FakeTransport]:
    stream, transport = Stream(), FakeTransport()
    stream.connection_made(transport)
    return stream, transport


def feed(stream: Stream, data: bytes) -> int:
    """As a transport: into what memory is offered; how much of it fitted."""
    done = 0
    while done < len(data):
        room = stream.get_buffer(1 << 16)
        if not len(room):
            break
        part = data[done : done + len(room)]
        room[: len(part)] = part
        stream.buffer_updated(len(part))
        done += len(part)
    return done


async def begun(work: Coroutine[object, object, object]) -> asyncio.Task[object]:
    """A task that waits for bytes by now."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    return task


async def test_a_head_is_delimited_whatever_its_pieces() -> None:
    stream, _ = connected()
    task = await begun(stream.read_until(b"\r\n\r\n"))
    for piece in (b"HTTP\r", b"\n", b"\r", b"\nrest"):
        assert not task.done()
        feed(stream, piece)
        await asyncio.sleep(0)
    assert await task == b"HTTP\r\n\r\n"
    assert await stream.read(100) == b"rest"


async def test_a_head_without_end_is_refused() -> None:
    stream, transport = connected()
    assert feed(stream, b"x" * 100_000) == 65536
    assert transport.calls == ["pause"]
    with pytest.raises(HeadTooLong):
        await stream.read_until(b"\r\n\r\n")


async def test_a_body_goes_to_its_place() -> None:
    stream, transport = connected()
    feed(stream, b"kept ")
    memory = memoryview(bytearray(13))
    task = await begun(stream.fill(memory))
    feed(stream, b"and more, and the next")
    assert await task == 13
    assert bytes(memory) == b"kept and more"
    assert await stream.read(100) == b", and the next"
    assert transport.calls == []


async def test_who_sends_too_much_has_to_wait() -> None:
    stream, transport = connected()
    feed(stream, b"x" * 65536)
    assert transport.calls == ["pause"]
    assert len(await stream.read(10)) == 10
    assert transport.calls == ["pause", "resume"]


async def test_slow_bytes_are_given_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, _ = connected()
    monkeypatch.setattr(module, "_PATIENCE", -1)
    memory = memoryview(bytearray(100))
    task = await begun(stream.fill(memory))
    feed(stream, b"few")
    assert await task == 3


async def test_what_came_counts_although_the_reader_left() -> None:
    stream, _ = connected()
    task = await begun(stream.fill(memoryview(bytearray(100))))
    feed(stream, b"some")
    task.cancel()
    await asyncio.wait([task])
    assert stream.filled == 4
    feed(stream, b"next")
    assert await stream.read(10) == b"next"


async def test_the_end_and_errors() -> None:
    stream, _ = connected()
    feed(stream, b"last")
    stream.eof_received()
    assert not stream.is_open
    assert await stream.fill(memoryview(bytearray(10))) == 4
    assert await stream.fill(memoryview(bytearray(10))) == 0
    with pytest.raises(asyncio.IncompleteReadError):
        await stream.read_until(b"\n")
    lost, _ = connected()
    task = await begun(lost.read(10))
    lost.connection_lost(ConnectionResetError("reset"))
    with pytest.raises(ConnectionResetError):
        await task
    with pytest.raises(ConnectionResetError):
        await lost.fill(memoryview(bytearray(10)))
    with pytest.raises(ConnectionResetError):
        await lost.write(b"x")


async def test_a_writer_waits_for_the_other_side() -> None:
    stream, transport = connected()
    stream.pause_writing()
    task = await begun(stream.write(b"data"))
    assert transport.written == b"data"
    assert not task.done()
    stream.resume_writing()
    await task
