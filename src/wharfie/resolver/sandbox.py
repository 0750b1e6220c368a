"""One container's sockets: questions in, answers out, over UDP and TCP."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
from collections.abc import Callable

from wharfie.formats.network import dns
from wharfie.resolver.names import View
from wharfie.resolver.upstream import Server
from wharfie.supervisor.loop import READ, WRITE, Loop, Timer

Reply = Callable[[bytes], None]
Ask = Callable[[bytes, Reply, int], None]
"""Gets a question, how to answer it, and most bytes of the answer (0: the asker says)."""

_PACKETS_PER_TURN = 32
_LARGEST_UDP = 4096
_SIOCGSKNS = 0x894C
_TCP_IDLE = 10.0
_MOST_CLIENTS = 64
_MOST_REMEMBERED = 512


class Sandbox:
    """What the server knows of one container.

    Attributes:
        id: the container's.
        view: what it may see.
        servers: whom its other questions go to; None for the host's.
        forward: whether they go anywhere.
        bare: whether names without a dot do.
        turn: counts answers, so that several addresses take turns.
        answers: what questions were answered since the daemon last said anything.
        listen: takes up what the daemon says.
    """

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.view: View | None = None
        self.servers: list[Server] | None = None
        self.forward = False
        self.bare = True
        self.confirmed = True
        self.turn = 0
        self.answers: dict[bytes, list[bytes]] = {}
        self.listen: Callable[[], None] = lambda: None
        self._udp: socket.socket | None = None
        self._tcp: socket.socket | None = None
        self._clients: dict[int, TcpClient] = {}
        self._namespace = -1

    @property
    def has_sockets(self) -> bool:
        """Whether somebody can ask."""
        return self._udp is not None

    def open(self, loop: Loop, udp: int, tcp: int, ask: Ask) -> None:
        """Answer on these sockets, which were opened in the container's namespace."""
        self.close(loop)
        self._udp, self._tcp = socket.socket(fileno=udp), socket.socket(fileno=tcp)
        self._udp.setblocking(False)
        self._tcp.setblocking(False)
        loop.watch(udp, READ, lambda _: self._on_packets(ask))
        loop.watch(tcp, READ, lambda _: self._on_connection(loop, ask))

    def close(self, loop: Loop) -> None:
        """Stop answering; only then can the kernel free the container's namespace."""
        for client in list(self._clients.values()):
            client.close()
        for one in (self._udp, self._tcp):
            if one is not None:
                loop.forget(one.fileno())
                one.close()
        self._udp = self._tcp = None
        if self._namespace >= 0:
            os.close(self._namespace)
            self._namespace = -1

    def namespace(self) -> int:
        """A descriptor of the container's network namespace, ours to close.

        Raises:
            OSError: the sandbox is closed, or the kernel does not tell.
        """
        if self._namespace < 0:
            if self._udp is None:
                raise OSError(9, "closed")
            self._namespace = fcntl.ioctl(self._udp.fileno(), _SIOCGSKNS)
            os.set_inheritable(self._namespace, False)
        return self._namespace

    def _on_packets(self, ask: Ask) -> None:
        udp = self._udp
        if udp is None:
            return
        packets = []
        with contextlib.suppress(OSError):
            for _ in range(_PACKETS_PER_TURN):
                packets.append(udp.recvfrom(_LARGEST_UDP))  # noqa: PERF401 - an error ends it
        # What the daemon said before these were asked counts, so they are taken up first.
        self.listen()
        if udp is not self._udp:
            return
        for data, peer in packets:
            known = self.answers.get(data[2:])
            if known is None:
                ask(data, _Answering(udp, peer), 0)
                continue
            self.turn += 1
            with contextlib.suppress(OSError):
                udp.sendto(data[:2] + known[self.turn % len(known)], peer)

    def remember(self, data: bytes, answers: list[bytes]) -> None:
        """Answer this question the same way, in turn, until `answers` is cleared."""
        if len(self.answers) >= _MOST_REMEMBERED:
            self.answers.clear()
        self.answers[data[2:]] = [one[2:] for one in answers]

    def _on_connection(self, loop: Loop, ask: Ask) -> None:
        if self._tcp is None:
            return
        with contextlib.suppress(OSError):
            connection, _ = self._tcp.accept()
            if len(self._clients) >= _MOST_CLIENTS:
                connection.close()
                return
            client = TcpClient(loop, connection, ask, self._clients)
            self._clients[id(client)] = client


class _Answering:
    """Sends one answer back; a peer that is gone by then is no error."""

    __slots__ = ("_peer", "_socket")

    def __init__(self, socket_: socket.socket, peer: tuple[str, int]) -> None:
        self._socket = socket_
        self._peer = peer

    def __call__(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendto(data, self._peer)


class TcpClient:
    """A connection with questions one after another, each with its length before it."""

    def __init__(
        self,
        loop: Loop,
        connection: socket.socket,
        ask: Ask,
        others: dict[int, TcpClient],
    ) -> None:
        self._loop = loop
        self._connection = connection
        self._ask = ask
        self._others = others
        self._input = bytearray()
        self._output = bytearray()
        self._timer: Timer = loop.call_later(_TCP_IDLE, self.close)
        connection.setblocking(False)
        loop.watch(connection.fileno(), READ, self._on_event)

    def close(self) -> None:
        """Hang up; closing twice is no error."""
        self._timer.cancel()
        self._others.pop(id(self), None)
        if self._connection.fileno() >= 0:
            self._loop.forget(self._connection.fileno())
            self._connection.close()

    def _on_event(self, events: int) -> None:
        try:
            if events & WRITE:
                self._flush()
            if events & ~WRITE:
                data = self._connection.recv(_LARGEST_UDP)
                if not data:
                    self.close()
                    return
                self._input += data
                self._take()
        except BlockingIOError:
            return
        except OSError:
            self.close()

    def _take(self) -> None:
        while len(self._input) >= 2:
            (size,) = struct.unpack_from(">H", self._input)
            if len(self._input) < 2 + size:
                return
            data = bytes(self._input[2 : 2 + size])
            del self._input[: 2 + size]
            self._ask(data, self._reply, dns.MOST_TCP)

    def _reply(self, data: bytes) -> None:
        if self._connection.fileno() < 0:
            return
        self._output += struct.pack(">H", len(data)) + data
        try:
            self._flush()
        except BlockingIOError:
            return
        except OSError:
            self.close()

    def _flush(self) -> None:
        while self._output:
            try:
                sent = self._connection.send(self._output)
            except BlockingIOError:
                self._loop.watch(self._connection.fileno(), READ | WRITE, self._on_event)
                raise
            del self._output[:sent]
        self._loop.watch(self._connection.fileno(), READ, self._on_event)
