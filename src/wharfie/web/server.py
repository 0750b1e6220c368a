"""The server: listeners, live connections, the tasks of requests, and an orderly end."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from email.utils import formatdate
from typing import cast

from wharfie.model.caller import Caller
from wharfie.model.tls import TlsSource
from wharfie.web.connection import Connection, Limits
from wharfie.web.listening import BACKLOG, Listener, Opened, UnixListener, open_all
from wharfie.web.listening.addresses import tls_of
from wharfie.web.listening.identity import identify
from wharfie.web.reply import Reply
from wharfie.web.request import Request
from wharfie.web.tls import TlsLayer

__all__ = ["Handler", "Limits", "Server"]

Handler = Callable[[Request], Reply | Awaitable[Reply]]
_log = logging.getLogger(__name__)
_TICK = 1.0


class Server:
    """Serves one handler on any number of listeners.

    Every request that is not answered on the spot runs as a task held here until it ends; an
    error nobody handled reaches the event loop's exception handler, never nothing.
    """

    def __init__(self, handler: Handler, *, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.is_closing = False
        self.now = 0.0
        """The loop's time at the last tick: precise enough for time-outs, and free."""
        self.handle = handler
        self._listening: list[asyncio.AbstractServer] = []
        self._paths: list[tuple[str, int]] = []
        self._connections: set[Connection] = set()
        self._layers: dict[TlsLayer, float | None] = {}
        self._tasks: dict[asyncio.Task[None], Callable[[], None]] = {}
        self._ticker: asyncio.TimerHandle | None = None
        self._date = b""
        self._date_second = 0

    @property
    def connections(self) -> int:
        """Number of live connections; those taken over do not count."""
        return len(self._connections)

    async def listen(self, listener: Listener) -> list[socket.socket]:
        """Open an address and serve it; returns the sockets, whose names tell the port taken.

        Raises:
            ListenError: the address cannot be had.
        """
        (opened,) = open_all([listener])
        await self.serve(opened)
        return opened.sockets

    async def serve(self, opened: Opened) -> None:
        """Begin to accept; those who connected since the sockets were opened come first."""
        loop = asyncio.get_running_loop()
        if self._ticker is None:
            self._tick()
        listener = opened.listener
        for one in opened.sockets:
            factory = self._factory(listener.url, tls_of(listener, one))
            if one.family == socket.AF_UNIX:
                listening: asyncio.AbstractServer = await loop.create_unix_server(
                    factory, sock=one, backlog=BACKLOG
                )
            else:
                listening = await loop.create_server(factory, sock=one, backlog=BACKLOG)
            # uvloop collects a server nobody holds.
            self._listening.append(listening)
        if isinstance(listener, UnixListener):
            self._paths.append((listener.path, os.stat(listener.path).st_ino))

    async def close(self, *, timeout: float = 10.0) -> None:
        """Stop: accept no more, cut streams, let plain requests end, then close the rest.

        Args:
            timeout: seconds plain requests are given.
        """
        self._stop_accepting()
        for connection in list(self._connections):
            connection.stop()
        for layer, since in list(self._layers.items()):
            if since is not None:
                layer.abort()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
        await _turns()
        for connection in list(self._connections):
            connection.abort()
        for layer in list(self._layers):
            layer.abort()
        await _turns()

    async def cut_clients(self, is_revoked: Callable[[bytes], bool]) -> int:
        """Abort the TLS connections of some clients, streams and taken over ones too.

        Args:
            is_revoked: tells by a client's verified certificate (DER).

        Returns:
            How many were cut.
        """
        cut = 0
        for number, layer in enumerate(list(self._layers), 1):
            certificate = layer.peer_certificate()
            if certificate is not None and is_revoked(certificate):
                layer.abort()
                cut += 1
            if number % 100 == 0:
                await asyncio.sleep(0)
        return cut

    def _stop_accepting(self) -> None:
        self.is_closing = True
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None
        for listening in self._listening:
            listening.close()
        for path, inode in self._paths:
            with suppress(OSError):
                if os.lstat(path).st_ino == inode:
                    os.unlink(path)

    # For connections

    def date(self) -> bytes:
        """The Date field of now."""
        second = int(time.time())
        if second != self._date_second:
            self._date_second = second
            self._date = f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._date

    def start(
        self, coroutine: Coroutine[object, object, None], on_error: Callable[[], None]
    ) -> None:
        """Run a coroutine as a task of the server; `on_error` is called if it fails."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine)
        self._tasks[task] = on_error
        task.add_done_callback(self._ended)

    def opened(self, connection: Connection) -> None:
        """A connection lives."""
        self._connections.add(connection)

    def closed(self, connection: Connection) -> None:
        """A connection ended or was taken over."""
        self._connections.discard(connection)

    def _follow(self, layer: TlsLayer) -> None:
        """Keep track of a layer: shaking hands since then, in use (None), or gone."""
        if layer.is_closed:
            self._layers.pop(layer, None)
        else:
            self._layers[layer] = self.now if layer.protocol is None else None

    def _ended(self, task: asyncio.Task[None]) -> None:
        on_error = self._tasks.pop(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, ConnectionError):
            _log.debug("client gone: %s", error)
        elif error is not None:
            on_error()
            task.get_loop().call_exception_handler(
                {"message": "a request's task failed", "exception": error, "task": task}
            )

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = now = loop.time()
        for connection in [
            c for c in self._connections if c.deadline is not None and c.deadline < now
        ]:
            connection.expire()
        for layer, since in list(self._layers.items()):
            if since is not None and now - since > self.limits.head_timeout:
                layer.abort()
        self._ticker = loop.call_later(_TICK, self._tick)

    def _factory(self, url: str, source: TlsSource | None) -> Callable[[], asyncio.Protocol]:
        if source is not None:
            return lambda: TlsLayer(
                source.context,
                lambda transport, tls: Connection(self, _caller(transport, url, tls)),
                changed=self._follow,
            )
        return lambda: _Newcomer(self, url)


class _Newcomer(asyncio.Protocol):
    """A plain connection before its peer is known: it becomes a Connection at once."""

    def __init__(self, server: Server, url: str) -> None:
        self._server = server
        self._url = url

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's classes.
        plain = cast(asyncio.Transport, transport)
        connection = Connection(self._server, _caller(plain, self._url, None))
        plain.set_protocol(connection)
        connection.connection_made(transport)


async def _turns() -> None:
    """Let transports write what they were given and finish closing."""
    for _ in range(3):
        await asyncio.sleep(0)


def _caller(transport: asyncio.Transport, url: str, tls: ssl.SSLObject | None) -> Caller:
    held: socket.socket = transport.get_extra_info("socket")
    return identify(held, transport.get_extra_info("peername"), url, tls)
