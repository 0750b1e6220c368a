"""The bytes of one connection: read into the reader's own memory where it offers some.

A body of many megabytes goes from the socket to where it is wanted without being copied in
between; what comes while nobody reads is kept, up to a bound, and then the sender has to wait.
Works alike over TCP and TLS, on asyncio's loop and on uvloop.
"""

from __future__ import annotations

import asyncio
from typing import cast

_KEPT = 64 << 10
_PATIENCE = 0.2
"""Seconds after which a reader gets what there is, however little."""


class HeadTooLong(Exception):
    """What was to be delimited is longer than the stream keeps."""


class Stream(asyncio.BufferedProtocol):
    """A connected stream; one reads, one writes. Errors of the connection are raised to both."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._kept = bytearray(_KEPT)
        self._end = 0  # of what is kept
        self._target: memoryview | None = None
        self._since = 0.0
        self.filled = 0
        """Bytes the last `fill` has got, however it ended."""
        self._is_paused = False
        self._is_writable = asyncio.Event()
        self._is_writable.set()
        self._reader: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self.at_eof = False
        """The other side sends nothing more; what is kept can still be read."""

    @property
    def is_open(self) -> bool:
        """False once either side has closed."""
        transport = self._transport
        return not (self.at_eof or transport is None or transport.is_closing())

    async def start_tls(self, context: object, host: str) -> None:
        """Go on encrypted; nothing may have been read ahead."""
        transport = await self._loop.start_tls(
            self._connected(),
            self,
            context,  # type: ignore[arg-type]  # an ssl.SSLContext; ssl is imported by few
            server_hostname=host,
        )
        assert transport is not None
        self._transport = transport

    async def write(self, data: bytes) -> None:
        """Send; returns when the other side keeps up."""
        self._check()
        self._connected().write(data)
        await self._is_writable.wait()
        self._check()

    async def fill(self, target: memoryview) -> int:
        """Read until `target` is full, for some time, or to the end; 0 only at the end."""
        ready = self._take(len(target))
        target[: len(ready)] = ready
        self.filled = len(ready)
        if self.filled < len(target) and not self.at_eof:
            self._target, self._since = target, self._loop.time()
            try:
                await self._wait()
            finally:
                self._target = None
        if not self.filled:
            self._check()
        return self.filled

    async def read(self, size: int) -> bytes:
        """Read what there is, waiting for it; b"" only at the end."""
        while not self._end:
            if self.at_eof:
                self._check()
                return b""
            await self._wait()
        return self._take(size)

    async def read_until(self, end: bytes) -> bytes:
        """Read up to and with a delimiter.

        Raises:
            HeadTooLong: it does not come soon enough.
            asyncio.IncompleteReadError: it does not come.
        """
        searched = 0
        while True:
            found = self._kept.find(end, searched, self._end)
            if found >= 0:
                return self._take(found + len(end))
            if self._end == _KEPT:
                raise HeadTooLong
            searched = max(0, self._end - len(end))
            if self.at_eof:
                self._check()
                raise asyncio.IncompleteReadError(self._take(_KEPT), None)
            await self._wait()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Wait until nothing is left of it."""
        await asyncio.shield(self._closed)

    # What the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is connected."""
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's hint
        """Where the next bytes go."""
        if self._target is not None:
            return self._target[self.filled :]
        return memoryview(self._kept)[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came."""
        if self._target is None:
            self._end += nbytes
            if self._end == _KEPT and not self._is_paused:
                self._is_paused = True
                self._connected().pause_reading()
            self._wake()
            return
        self.filled += nbytes
        if self.filled == len(self._target) or self._loop.time() - self._since > _PATIENCE:
            self._target = None
            self._wake()

    def eof_received(self) -> bool:
        """The other side is done."""
        self.at_eof = True
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._error = exc
        self.at_eof = True
        self._is_writable.set()
        self._wake()
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        """The other side does not keep up."""
        self._is_writable.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._is_writable.set()

    def _take(self, size: int) -> bytes:
        """Up to so many bytes of what is kept; what is left moves to the front."""
        taken = bytes(memoryview(self._kept)[: min(size, self._end)])
        if taken:
            left = self._end - len(taken)
            self._kept[:left] = self._kept[len(taken) : self._end]
            self._end = left
        if self._is_paused and self._end < _KEPT and self.is_open:
            self._is_paused = False
            self._connected().resume_reading()
        return taken

    async def _wait(self) -> None:
        self._reader = self._loop.create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _connected(self) -> asyncio.Transport:
        if self._transport is None:
            raise ConnectionResetError("not connected")
        return self._transport

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
