"""Who makes a request: carried from the listener to the one gate before the engine."""

from __future__ import annotations

from msgspec import Struct


class Caller(Struct, frozen=True, kw_only=True):
    """The identity of one connection.

    Attributes:
        transport: "unix", "tcp" or "tls".
        address: peer address ("10.0.0.2:51000"), "" on unix sockets.
        uid: peer's user ID on unix sockets, -1 elsewhere; `gid` and `pid` likewise.
        subject: subject of a verified client certificate (RFC 4514), "" without one.
        fingerprint: SHA-256 of that certificate in hex, "" without one.
        listener: the listener's URL as configured.
    """

    transport: str
    address: str = ""
    uid: int = -1
    gid: int = -1
    pid: int = -1
    subject: str = ""
    fingerprint: str = ""
    listener: str = ""
