"""Passing a question on: one server after the other, from the container's namespace or the host's.

A question to outside has a socket of its own with a port the kernel chose, connected to its server,
and a random number: an answer from elsewhere is not even received, a guessed one does not fit.

Source: behaviours 155; RFC 5452 (forged answers).
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct
from collections.abc import Callable, Sequence

from wharfie.formats.network import dns
from wharfie.kernel import netns
from wharfie.resolver.upstream import Server
from wharfie.supervisor.loop import HANGUP, READ, WRITE, Loop, Timer

PORT = 53
_PATIENCE = 4.0
_MOST_AT_ONCE = 1024
_LARGEST = 65535
_RECEIVE_ERRORS = {
    socket.AF_INET: (socket.IPPROTO_IP, 11),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25),
}
"""IP_RECVERR: a server that cannot be reached is known to be at once, not after the patience."""


class Forwarder:
    """Asks servers outside; never more than a bounded number at once."""

    def __init__(self, loop: Loop, home: int, *, port: int = PORT) -> None:
        self._loop = loop
        self._home = home
        self._port = port
        self._running: set[_Attempt] = set()

    def ask(
        self,
        query: dns.Query,
        data: bytes,
        servers: Sequence[Server],
        *,
        namespace: Callable[[], int],
        tcp: bool,
        done: Callable[[bytes], None],
    ) -> None:
        """Ask the servers in turn; `done` gets an answer with the asker's number.

        Args:
            query: the question.
            data: as it came.
            servers: whom to ask.
            namespace: tells where to ask from unless a server is the host's own.
            tcp: over TCP, as it came.
            done: called once.
        """
        if len(self._running) >= _MOST_AT_ONCE:
            done(dns.answer(query, [], code=dns.SERVER_FAILURE))
            return
        attempt = _Attempt(self._loop, query, data, list(servers), tcp=tcp)

        def finish(reply: bytes) -> None:
            self._running.discard(attempt)
            done(dns.renumber(reply, query.id))

        self._running.add(attempt)
        attempt.run(lambda server: self._connect(server, namespace, tcp=tcp), finish)

    def close(self) -> None:
        """Ask nobody any more; nobody is answered."""
        for attempt in self._running:
            attempt.close()
        self._running.clear()

    def _connect(self, server: Server, namespace: Callable[[], int], *, tcp: bool) -> socket.socket:
        family = socket.AF_INET6 if server.is_ipv6 else socket.AF_INET
        kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
        if server.at_host:
            connection = socket.socket(family, kind)
        else:
            netns.enter(namespace())
            try:
                connection = socket.socket(family, kind)
            finally:
                netns.enter(self._home)
        try:
            connection.setblocking(False)
            level, option = _RECEIVE_ERRORS[family]
            connection.setsockopt(level, option, 1)
            with contextlib.suppress(BlockingIOError):
                connection.connect((server.address, self._port))
        except OSError:
            connection.close()
            raise
        return connection


class _Attempt:
    """One question on its way through the servers."""

    def __init__(
        self, loop: Loop, query: dns.Query, data: bytes, servers: list[Server], *, tcp: bool
    ) -> None:
        self._loop = loop
        self._query = query
        self._servers = servers
        self._tcp = tcp
        self._number = secrets.randbelow(1 << 16)
        renumbered = dns.renumber(data, self._number)
        self._packet = struct.pack(">H", len(renumbered)) + renumbered if tcp else renumbered
        self._connection: socket.socket | None = None
        self._timer: Timer | None = None
        self._unsent = b""
        self._received = bytearray()
        self._last = b""
        self._connect: Callable[[Server], socket.socket]
        self._finish: Callable[[bytes], None]

    def run(
        self, connect: Callable[[Server], socket.socket], finish: Callable[[bytes], None]
    ) -> None:
        """Begin."""
        self._connect, self._finish = connect, finish
        self._next()

    def _next(self) -> None:
        while self._servers:
            self.close()
            server = self._servers.pop(0)
            try:
                self._connection = self._connect(server)
            except OSError:
                continue
            self._unsent = self._packet
            self._received.clear()
            self._timer = self._loop.call_later(_PATIENCE, self._next)
            wanted = READ | WRITE if self._tcp else READ
            self._loop.watch(self._connection.fileno(), wanted, self._on_event)
            if not self._tcp:
                self._send()
            return
        self.close()
        failure = dns.answer(self._query, [], code=dns.SERVER_FAILURE)
        self._finish(self._last or failure)

    def _on_event(self, events: int) -> None:
        connection = self._connection
        if connection is None:
            return
        if self._tcp and self._unsent and events & WRITE and not events & HANGUP:
            self._send()
            return
        try:
            data = connection.recv(_LARGEST)
        except BlockingIOError:
            return
        except OSError:
            self._next()
            return
        if self._tcp:
            self._received += data
            if not data:
                self._next()
                return
            if len(self._received) < 2:
                return
            (size,) = struct.unpack_from(">H", self._received)
            if len(self._received) < 2 + size:
                return
            data = bytes(self._received[2 : 2 + size])
        self._judge(data)

    def _judge(self, data: bytes) -> None:
        if not dns.is_answer(data, self._number, self._query.question):
            return
        if self._servers and dns.response_code(data) in (dns.SERVER_FAILURE, 5):
            self._last = data
            self._next()
            return
        self.close()
        self._finish(data)

    def _send(self) -> None:
        if self._connection is None:
            return
        try:
            sent = self._connection.send(self._unsent)
        except BlockingIOError:
            return
        except OSError:
            self._next()
            return
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._loop.watch(self._connection.fileno(), READ, self._on_event)

    def close(self) -> None:
        """Stop waiting; closing twice is no error."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._connection is not None:
            self._loop.forget(self._connection.fileno())
            self._connection.close()
            self._connection = None
