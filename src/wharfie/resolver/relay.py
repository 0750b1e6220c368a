"""Published ports that the kernel does not redirect, served by a program.

    client ── [::]:8080, a socket the daemon bound and handed over ── here ── 172.17.0.2:80

They are those of IPv6 for containers with IPv4 alone, and all of them where no firewall rules are
wanted. Every turn of a connection moves a bounded piece; nothing is read that cannot be written.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections.abc import Sequence

from wharfie.resolver.connection import IPPROTO_SCTP, Connection, prepare_messages
from wharfie.supervisor.loop import READ, Loop, Timer

_PIECE = 1 << 16
_MOST_CONNECTIONS = 4096
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
        self._connections: set[Connection] = set()
        self._peers: dict[tuple[object, ...], _UdpPeer] = {}
        self.confirmed = True
        listener.setblocking(False)
        if listener.proto == IPPROTO_SCTP:
            prepare_messages(listener)
        is_udp = listener.type == socket.SOCK_DGRAM
        loop.watch(listener.fileno(), READ, self._on_packet if is_udp else self._on_client)

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
                    Connection(self._loop, client, self._target, self._connections.discard)
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


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
