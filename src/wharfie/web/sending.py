"""Sending what has a length: a part of a file goes out by the kernel where nobody encrypts, piece
by piece where TLS does.

`sendfile` runs in threads, because a cold disk would hold up the event loop, on a duplicate of the
client's socket. A thread goes on as long as the client takes what it is given, for a slice of time;
a slow client is waited for by the event loop and costs no thread.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from wharfie.web.reply import FilePart
from wharfie.web.tls import TlsTransport

_SMALL = 64 * 1024
_WORTH_APART = 16 * 1024
_PIECE = 256 * 1024
_MOST = 8 << 20
_SLICE = 0.1
_SHORT = 5
"""Milliseconds a thread waits for a client before it gives the wait to the event loop."""

Drain = Callable[[], Awaitable[None]]


async def send_part(
    transport: asyncio.Transport, head: bytes, part: FilePart, *, drain: Drain, patience: float
) -> None:
    """Write an answer's head and its part of a file.

    Args:
        transport: nobody else writes to it meanwhile.
        head: of the answer.
        part: its body.
        drain: returns once the transport wants more.
        patience: seconds a client may take nothing at all.

    Raises:
        ConnectionError: the client is gone, or too slow.
        OSError: the file is shorter than it was.
    """
    if isinstance(transport, TlsTransport) or part.length <= _SMALL:
        await _write_pieces(transport, head, part, drain)
        return
    if transport.get_write_buffer_size():
        transport.set_write_buffer_limits(high=0)
        await drain()
        transport.set_write_buffer_limits()
    held: socket.socket = transport.get_extra_info("socket")
    with socket.socket(fileno=os.dup(held.fileno())) as mine:
        await _copy(mine, head, part, patience)


def write_chunk(transport: asyncio.Transport, chunk: bytes, *, chunked: bool) -> None:
    """Write a piece of an answer of unknown length; a large one is not copied for its framing."""
    if not chunked:
        transport.write(chunk)
    elif len(chunk) > _WORTH_APART:
        transport.writelines([b"%x\r\n" % len(chunk), chunk, b"\r\n"])
    else:
        transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))


async def exactly(chunks: AsyncIterator[bytes], length: int) -> AsyncIterator[bytes]:
    """Pass pieces on as long as they are `length` bytes together; ConnectionError otherwise."""
    async for chunk in chunks:
        length -= len(chunk)
        if length < 0:
            raise ConnectionAbortedError("an answer is longer than announced")
        yield chunk
    if length:
        raise ConnectionAbortedError("an answer is shorter than announced")


async def _write_pieces(
    transport: asyncio.Transport, head: bytes, part: FilePart, drain: Drain
) -> None:
    offset, end = part.offset, part.offset + part.length
    while offset < end:
        data = await _read(part.fd, min(_PIECE, end - offset), offset)
        if not data:
            raise OSError(f"a file ends at {offset}, before {end}")
        transport.write(head + data)
        head = b""
        offset += len(data)
        await drain()
    if head:
        transport.write(head)


async def _read(fd: int, size: int, offset: int) -> bytes:
    """Read without waiting where the page cache has it, else in a thread."""
    if size <= _SMALL:
        buffer = bytearray(size)
        with suppress(OSError):
            # Not there yet, or a file system that cannot tell.
            return bytes(buffer[: os.preadv(fd, [buffer], offset, os.RWF_NOWAIT)])
    return await asyncio.to_thread(os.pread, fd, size, offset)


async def _copy(mine: socket.socket, head: bytes, part: FilePart, patience: float) -> None:
    loop = asyncio.get_running_loop()
    copying = _Copying(mine, head, part)
    while True:
        running = loop.run_in_executor(None, copying.run)
        try:
            is_done = await asyncio.shield(running)
        except asyncio.CancelledError:
            # The descriptors must not be closed under the thread.
            with suppress(OSError):
                await running
            raise
        if is_done:
            return
        if copying.is_stuck:
            await _writable(mine, patience)


class _Copying:
    """A copy under way.

    Attributes:
        is_stuck: the client does not take more at the moment.
    """

    def __init__(self, mine: socket.socket, head: bytes, part: FilePart) -> None:
        self.is_stuck = False
        self._socket = mine
        self._head = head
        self._file = part.fd
        self._offset = part.offset
        self._end = part.offset + part.length
        self._poll = select.poll()
        self._poll.register(mine, select.POLLOUT)

    def run(self) -> bool:
        """Copy for a slice of time; returns whether everything is copied. Runs in a thread."""
        until = time.monotonic() + _SLICE
        while self._head or self._offset < self._end:
            try:
                self._step()
            except BlockingIOError:
                self.is_stuck = not self._poll.poll(_SHORT)
                if self.is_stuck:
                    return False
            if time.monotonic() > until:
                return False
        return True

    def _step(self) -> None:
        if self._head:
            self._head = self._head[self._socket.send(self._head, socket.MSG_MORE) :]
            return
        count = min(self._end - self._offset, _MOST)
        sent = os.sendfile(self._socket.fileno(), self._file, self._offset, count)
        if not sent:
            raise OSError(f"a file ends at {self._offset}, before {self._end}")
        self._offset += sent


async def _writable(mine: socket.socket, patience: float) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_writer(mine, wake)
    try:
        async with asyncio.timeout(patience):
            await ready
    except TimeoutError:
        raise ConnectionResetError("the client does not read its answer") from None
    finally:
        loop.remove_writer(mine)
