"""How much a client may ask of a server, and for how long."""

from __future__ import annotations

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of one connection; times in seconds.

    Attributes:
        head: bytes of a request's head.
        head_timeout: from the first byte of a head (or the connection's start) to its end.
        idle_timeout: between requests.
        linger: how long an unread body is drained so that the client can read the answer.
        connections: at the same time over TCP, and as many over unix sockets; more are closed.
        handshakes: TLS handshakes under way; one more costs the oldest its place.
    """

    head: int = 256 * 1024
    head_timeout: float = 60.0
    idle_timeout: float = 900.0
    linger: float = 1.0
    connections: int = 16384
    handshakes: int = 2048
