"""The server: listeners, live connections, the tasks of requests, and an orderly end."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from email.utils import formatdate
from typing import cast

from wharfie.model.caller import Caller
from wharfie.model.tls import TlsSource
from wharfie.web.connection import Connection
from wharfie.web.entrance import Barrier, Entrance
from wharfie.web.limits import Limits
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

    def __init__(
        self, handler: Handler, *, limits: Limits | None = None, barrier: Barrier | None = None
    ) -> None:
        """Take the handler.

        Args:
            handler: answers requests.
            limits: bounds of connections.
            barrier: asked for every TCP connection before a byte of it is read.
        """
        self.limits = limits or Limits()
        self.is_closing = False
        self.now = 0.0
        """The loop's time at the last tick: precise enough for time-outs, and free."""
        self.handle = handler
        self._listening: list[asyncio.AbstractServer] = []
        self._paths: list[tuple[str, int]] = []
        self._lasting: set[asyncio.Task[object]] = set()
        self._connections: set[Connection] = set()
        self._layers: set[TlsLayer] = set()
        self._shaking: dict[TlsLayer, float] = {}
        self._entrance = Entrance(self.limits.connections, barrier)
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
            name = one.getsockname()
            bound = str(name[0]) if isinstance(name, tuple) else ""
            factory = self._factory(listener.url, bound, tls_of(listener, one))
            if one.family == socket.AF_UNIX:
                listening = await _serve_path(factory, one)
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
        for layer in list(self._shaking):
            layer.abort()
        for task in self._lasting:
            task.cancel()
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

    def lasts(self, task: asyncio.Task[object] | None) -> None:
        """A task of `start` goes on as long as its client: it ends with the server, at once."""
        if task is not None:
            self._lasting.add(task)
            task.add_done_callback(self._lasting.discard)

    def opened(self, connection: Connection) -> None:
        """A connection lives."""
        self._connections.add(connection)
        if connection.transport != "tls":
            self._entrance.entered(connection.transport)

    def closed(self, connection: Connection) -> None:
        """A connection ended or was taken over."""
        if connection in self._connections:
            self._connections.remove(connection)
            # One over TLS is counted by its layer, which also lives before and after it.
            if connection.transport != "tls":
                self._entrance.left(connection.transport)

    def _follow(self, layer: TlsLayer) -> None:
        """Keep track of a layer: shaking hands, in use, or gone."""
        if layer.is_closed:
            self._shaking.pop(layer, None)
            if layer in self._layers:
                self._layers.remove(layer)
                self._entrance.left("tcp")
        elif layer.protocol is not None:
            self._shaking.pop(layer, None)
        else:
            self._layers.add(layer)
            self._entrance.entered("tcp")
            self._shaking[layer] = self.now
            if len(self._shaking) > self.limits.handshakes:
                next(iter(self._shaking)).abort()

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
        for layer, since in list(self._shaking.items()):
            if now - since > self.limits.head_timeout:
                layer.abort()
        self._ticker = loop.call_later(_TICK, self._tick)

    def _factory(
        self, url: str, bound: str, source: TlsSource | None
    ) -> Callable[[], asyncio.Protocol]:
        def welcome(transport: asyncio.Transport) -> asyncio.Protocol | None:
            if not self._entrance.admits(transport.get_extra_info("socket"), bound):
                return None
            if source is None:
                return Connection(self, _caller(transport, url, None))
            return TlsLayer(
                source,
                lambda inner, tls: Connection(self, _caller(inner, url, tls)),
                changed=self._follow,
            )

        return lambda: _Newcomer(welcome)


class _Newcomer(asyncio.Protocol):
    """A connection before its peer is known: it is turned away, or gets its protocol at once."""

    def __init__(self, welcome: Callable[[asyncio.Transport], asyncio.Protocol | None]) -> None:
        self._welcome = welcome

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's classes.
        plain = cast(asyncio.Transport, transport)
        protocol = self._welcome(plain)
        if protocol is None:
            plain.abort()
            return
        plain.set_protocol(protocol)
        protocol.connection_made(transport)


async def _serve_path(
    factory: Callable[[], asyncio.Protocol], opened: socket.socket
) -> asyncio.AbstractServer:
    """Serve a unix socket; whoever made its path unlinks it.

    From 3.13 on, event loops unlink it at their server's end, be it systemd's.
    """
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 13):
        return await loop.create_unix_server(
            factory, sock=opened, backlog=BACKLOG, cleanup_socket=False
        )
    return await loop.create_unix_server(factory, sock=opened, backlog=BACKLOG)


async def _turns() -> None:
    """Let transports write what they were given and finish closing."""
    for _ in range(3):
        await asyncio.sleep(0)


def _caller(transport: asyncio.Transport, url: str, tls: ssl.SSLObject | None) -> Caller:
    held: socket.socket = transport.get_extra_info("socket")
    return identify(held, transport.get_extra_info("peername"), url, tls)
