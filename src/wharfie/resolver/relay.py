"""Published ports that the kernel cannot redirect: IPv6 of the host to a container with IPv4 alone.

    client ── [::]:8080, a socket the daemon bound and handed over ── here ── 172.17.0.2:80

Every turn of a connection moves a bounded piece, and nothing is read that cannot be written.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Callable, Sequence

from wharfie.supervisor.loop import HANGUP, READ, WRITE, Loop, Timer

_PIECE = 1 << 16
_MOST_CONNECTIONS = 4096
_CONNECT_PATIENCE = 10.0
_UDP_IDLE = 60.0
_MOST_UDP_PEERS = 1024
_ACCEPTS_PER_TURN = 16


class Relay:
    """One published port, relayed.

    Args:
        loop: as ever.
        listener: a listening TCP or bound UDP socket, taken over.
        target: address and port inside.
        allow: blocks that may use it, none for everybody.
    """

    def __init__(
        self, loop: Loop, listener: socket.socket, target: tuple[str, int], allow: Sequence[str]
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._target = target
        self._allow = [ipaddress.ip_network(text) for text in allow]
        self._connections: set[_Connection] = set()
        self._peers: dict[tuple[object, ...], _UdpPeer] = {}
        self.confirmed = True
        listener.setblocking(False)
        is_tcp = listener.type == socket.SOCK_STREAM
        loop.watch(listener.fileno(), READ, self._on_client if is_tcp else self._on_packet)

    def move(self, target: tuple[str, int]) -> None:
        """New connections go to another address."""
        self._target = target

    def close(self) -> None:
        """Serve no more; connections end."""
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        for connection in list(self._connections):
            connection.close()
        for peer in list(self._peers.values()):
            peer.close()

    def _is_allowed(self, host: str) -> bool:
        if not self._allow:
            return True
        address = ipaddress.ip_address(host.partition("%")[0])
        return any(address in block for block in self._allow)

    def _on_client(self, _events: int) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                client, peer = self._listener.accept()
            except OSError:
                return
            if not self._is_allowed(peer[0]) or len(self._connections) >= _MOST_CONNECTIONS:
                client.close()
                continue
            try:
                self._connections.add(
                    _Connection(self._loop, client, self._target, self._connections.discard)
                )
            except OSError:
                client.close()

    def _on_packet(self, _events: int) -> None:
        for _ in range(_ACCEPTS_PER_TURN):
            try:
                data, peer = self._listener.recvfrom(_PIECE)
            except OSError:
                return
            known = self._peers.get(peer)
            if known is None:
                if not self._is_allowed(peer[0]) or len(self._peers) >= _MOST_UDP_PEERS:
                    continue
                try:
                    known = _UdpPeer(self._loop, self._listener, peer, self._target, self._peers)
                except OSError:
                    continue
                self._peers[peer] = known
            known.send(data)


class _UdpPeer:
    """One client's packets: a socket of its own towards the container, until it is silent."""

    def __init__(
        self,
        loop: Loop,
        listener: socket.socket,
        peer: tuple[object, ...],
        target: tuple[str, int],
        others: dict[tuple[object, ...], _UdpPeer],
    ) -> None:
        self._loop, self._listener, self._peer, self._others = loop, listener, peer, others
        self._socket = socket.socket(_family(target[0]), socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(target)
        self._timer: Timer = loop.call_later(_UDP_IDLE, self.close)
        loop.watch(self._socket.fileno(), READ, self._on_answer)

    def send(self, data: bytes) -> None:
        """Pass a packet on; one that cannot be sent is lost, as packets are."""
        self._timer.cancel()
        self._timer = self._loop.call_later(_UDP_IDLE, self.close)
        with contextlib.suppress(OSError):
            self._socket.send(data)

    def close(self) -> None:
        """Forget the client; closing twice is no error."""
        self._timer.cancel()
        self._others.pop(self._peer, None)
        if self._socket.fileno() >= 0:
            self._loop.forget(self._socket.fileno())
            self._socket.close()

    def _on_answer(self, _events: int) -> None:
        with contextlib.suppress(OSError):
            data = self._socket.recv(_PIECE)
            self._listener.sendto(data, self._peer)


class _Half:
    """One direction: what was read and is not yet written."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source, self.sink = source, sink
        self.waiting = b""
        self.ended = False
        self.shut = False

    @property
    def wants_input(self) -> bool:
        return not self.ended and not self.waiting

    def read(self) -> None:
        """Take a piece; BlockingIOError when there is none."""
        self.waiting = self.source.recv(_PIECE)
        self.ended = not self.waiting

    def write(self) -> None:
        """Pass on what is waiting, then the end."""
        if self.waiting:
            sent = self.sink.send(self.waiting)
            self.waiting = self.waiting[sent:]
        if self.ended and not self.waiting and not self.shut:
            self.shut = True
            with contextlib.suppress(OSError):
                self.sink.shutdown(socket.SHUT_WR)


class _Connection:
    """A client's connection and ours to the container, copied both ways with half-closes."""

    def __init__(
        self,
        loop: Loop,
        client: socket.socket,
        target: tuple[str, int],
        on_end: Callable[[_Connection], None],
    ) -> None:
        self._loop, self._client, self._on_end = loop, client, on_end
        self._server = socket.socket(_family(target[0]), socket.SOCK_STREAM)
        self._connected = False
        try:
            for one in (client, self._server):
                one.setblocking(False)
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(BlockingIOError):
                self._server.connect(target)
        except OSError:
            self._server.close()
            raise
        self._up = _Half(client, self._server)
        self._down = _Half(self._server, client)
        self._timer: Timer | None = loop.call_later(_CONNECT_PATIENCE, self.close)
        loop.watch(self._server.fileno(), WRITE, self._on_server)

    def close(self) -> None:
        """Hang up on both sides; closing twice is no error."""
        if self._timer is not None:
            self._timer.cancel()
        for one in (self._client, self._server):
            if one.fileno() >= 0:
                self._loop.forget(one.fileno())
                one.close()
        self._on_end(self)

    def _on_server(self, events: int) -> None:
        if not self._connected:
            if self._server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.close()
                return
            self._connected = True
            if self._timer is not None:
                self._timer.cancel()
        self._turn(events, self._down, self._up)

    def _on_client(self, events: int) -> None:
        self._turn(events, self._up, self._down)

    def _turn(self, events: int, incoming: _Half, outgoing: _Half) -> None:
        try:
            if events & WRITE:
                with contextlib.suppress(BlockingIOError):
                    outgoing.write()
            if events & (READ | HANGUP) and incoming.wants_input:
                with contextlib.suppress(BlockingIOError):
                    incoming.read()
                    incoming.write()
        except OSError:
            self.close()
            return
        if self._up.shut and self._down.shut:
            self.close()
            return
        self._watch(self._client, self._up, self._down, self._on_client)
        self._watch(self._server, self._down, self._up, self._on_server)

    def _watch(
        self, one: socket.socket, incoming: _Half, outgoing: _Half, handler: Callable[[int], None]
    ) -> None:
        wanted = READ if incoming.wants_input else 0
        wanted |= WRITE if outgoing.waiting or (outgoing.ended and not outgoing.shut) else 0
        if wanted:
            self._loop.watch(one.fileno(), wanted, handler)
        else:
            # Not even a hang-up is of interest now, and it would come again and again.
            self._loop.forget(one.fileno())


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
