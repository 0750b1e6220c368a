"""Bytes between sockets and pipes, moved by the kernel.

The event loop's transport keeps its socket: bytes go through a duplicate of the descriptor, while
the transport has nothing to write (outwards) or does not read (inwards). TLS cannot be spliced.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from wharfie.model.piping import Piped
from wharfie.web.tls import TlsTransport

_TURN = 1 << 20
"""Bytes moved before others get their turn."""
_SO_SNDBUFFORCE = 32
_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK


class Counted(Protocol):
    """The framing of a body, as far as it is moved without being looked at."""

    @property
    def ahead(self) -> int:
        """Bytes of the body that come next with nothing in between."""

    def skip(self, size: int) -> None:
        """That many of them were moved."""


@contextmanager
def duplicate(transport: asyncio.Transport) -> Iterator[int]:
    """A descriptor of the transport's socket; of none that is encrypted."""
    fd = os.dup(transport.get_extra_info("socket").fileno())
    try:
        yield fd
    finally:
        os.close(fd)


def can_splice(transport: asyncio.Transport) -> bool:
    """Tell whether the bytes of a connection are those on its socket."""
    return not isinstance(transport, TlsTransport)


async def splice_out(fd: int, source: Piped, *, chunked: bool) -> None:
    """Write a whole stream to a socket.

    Raises:
        ConnectionError: the client is gone.
    """
    _widen(fd)
    behind = b""
    while size := await source.waiting():
        if chunked:
            await write(fd, b"%b%x\r\n" % (behind, size))
            behind = b"\r\n"
        while size:
            try:
                size -= os.splice(source.pipe, fd, min(size, _TURN), flags=_FLAGS)
            except BlockingIOError:
                await writable(fd)
        await asyncio.sleep(0)
    if chunked:
        await write(fd, behind + b"0\r\n\r\n")


def _widen(fd: int) -> None:
    """Let more wait in a unix socket: at its usual size everybody waits for everybody, in turn.

    TCP finds the right size by itself.
    """
    with socket.socket(fileno=os.dup(fd)) as held, suppress(OSError):
        if held.family == socket.AF_UNIX:
            held.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _TURN)


async def splice_in(fd: int, framing: Counted, pipe: int, timeout: float | None) -> bool:
    """Move what is ahead of a body from a socket into a pipe.

    Returns:
        False when the client ended before that.

    Raises:
        BrokenPipeError, TimeoutError: see `Pourable.pour`.
        ConnectionResetError: the client is gone.
    """
    while left := framing.ahead:
        try:
            moved = os.splice(fd, pipe, min(left, _TURN), flags=_FLAGS)
        except BlockingIOError:
            if _has_room(pipe):
                await readable(fd)
            else:
                await writable(pipe, timeout)
            continue
        if not moved:
            return False
        framing.skip(moved)
        await asyncio.sleep(0)
    return True


async def write(fd: int, data: bytes, timeout: float | None = None) -> None:
    """Write all of `data` to a non-blocking descriptor; TimeoutError when it takes none so long."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            await writable(fd, timeout)


async def readable(fd: int) -> None:
    """Wait until a descriptor can be read, or reports its end."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


async def writable(fd: int, timeout: float | None = None) -> None:
    """Wait until a descriptor can be written, or reports that its reader is gone."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(fd, _wake, ready)
    try:
        async with asyncio.timeout(timeout):
            await ready
    finally:
        loop.remove_writer(fd)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _has_room(pipe: int) -> bool:
    poll = select.poll()
    poll.register(pipe, select.POLLOUT)
    return bool(poll.poll(0))
