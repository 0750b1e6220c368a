"""Who makes a request, and the request itself: what the one gate before the engine sees."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct


class Caller(Struct, frozen=True, kw_only=True):
    """The identity of one connection.

    Attributes:
        transport: "unix", "tcp" or "tls".
        address: peer address ("10.0.0.2:51000"), "" on unix sockets.
        uid: peer's user ID on unix sockets, -1 elsewhere; `gid` and `pid` likewise.
        subject: subject of a verified client certificate (RFC 4514), "" without one.
        fingerprint: SHA-256 of that certificate in hex, "" without one.
        serial: that certificate's serial number in upper-case hex, "" without one.
        listener: the listener's URL as configured.
    """

    transport: str
    address: str = ""
    uid: int = -1
    gid: int = -1
    pid: int = -1
    subject: str = ""
    fingerprint: str = ""
    serial: str = ""
    listener: str = ""


class Call(Struct, frozen=True, kw_only=True):
    """One request as the gate sees it: who asks, and exactly what the engine would be told.

    Attributes:
        operation: method and pattern of the path, "POST /containers/{ref}/start".
        names: what the path's pattern captured, decoded.
        version: of the API the client speaks, "1.51".
        command: the decoded command; the very object the engine gets.
    """

    caller: Caller
    operation: str
    names: Mapping[str, str]
    version: str
    command: object
