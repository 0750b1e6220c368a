"""Waiting for a descriptor on the event loop, and pipes read and written that way.

Descriptors stay non-blocking and are tried first, so that a stream that keeps up costs one
system call a chunk. Works on asyncio's loop and on uvloop.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import struct
import termios
from contextlib import suppress

PIPE_SIZE = 1 << 20
_COUNT = struct.Struct("i")


class Stalled(Exception):
    """Nothing happened on a descriptor for too long."""


def open_pipe() -> tuple[int, int]:
    """A large pipe: read end, write end; both blocking."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    # EPERM: the user's share of pipe memory is used up; a small pipe works too.
    with suppress(PermissionError):
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    return read_end, write_end


async def readable(fd: int, timeout: float | None) -> None:
    """Wait until a descriptor can be read, or reports its end.

    Raises:
        Stalled: `timeout` seconds passed.
    """
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _wake, ready)
    try:
        async with asyncio.timeout(timeout):
            await ready
    except TimeoutError:
        raise Stalled from None
    finally:
        loop.remove_reader(fd)


async def writable(fd: int, timeout: float | None) -> None:
    """Wait until a descriptor can be written, or reports that its reader is gone.

    Raises:
        Stalled: `timeout` seconds passed.
    """
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_writer(fd, _wake, ready)
    try:
        async with asyncio.timeout(timeout):
            await ready
    except TimeoutError:
        raise Stalled from None
    finally:
        loop.remove_writer(fd)


async def waiting(fd: int, timeout: float | None) -> int:
    """Wait until a pipe holds bytes; how many, 0 at its end.

    Raises:
        Stalled: `timeout` seconds passed.
    """
    while True:
        size = _held(fd)
        if size:
            return size
        if _is_over(fd):
            return _held(fd)  # the last ones may have come in between
        await readable(fd, timeout)


async def write(fd: int, data: bytes, timeout: float | None) -> None:
    """Write all of `data` to a non-blocking pipe.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view[:PIPE_SIZE]) :]
        except BlockingIOError:
            await writable(fd, timeout)


def _held(fd: int) -> int:
    size: int = _COUNT.unpack(fcntl.ioctl(fd, termios.FIONREAD, bytes(_COUNT.size)))[0]
    return size


def _is_over(fd: int) -> bool:
    """Tell whether nobody can write to a pipe any more."""
    poll = select.poll()
    poll.register(fd, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
