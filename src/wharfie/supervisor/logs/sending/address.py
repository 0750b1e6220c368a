"""Where messages go: an address as the driver's options spell it, taken apart."""

from __future__ import annotations

import socket


class Address:
    """A receiver.

    Attributes:
        scheme: "udp", "tcp", "tls", "unix" or "unixgram".
        path: of a unix socket, "" for others.
        host, port: of the network.
    """

    __slots__ = ("host", "path", "port", "scheme")

    def __init__(self, scheme: str, *, path: str = "", host: str = "", port: int = 0) -> None:
        self.scheme = scheme
        self.path = path
        self.host = host
        self.port = port

    @property
    def is_datagram(self) -> bool:
        """One message a packet."""
        return self.scheme in ("udp", "unixgram")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path or f'{self.host}:{self.port}'}"


def parse(text: str) -> Address:
    """An address such as `tcp://host:514`, `unix:///dev/log`; ValueError when it is none."""
    scheme, mark, rest = text.partition("://")
    if not mark:
        raise ValueError(f"no address: {text!r}")
    if scheme in ("unix", "unixgram"):
        return Address(scheme, path=rest)
    if scheme not in ("udp", "tcp", "tls", "tcp+tls"):
        raise ValueError(f"no address: {text!r}")
    host, _, port = rest.rpartition(":")
    return Address("tls" if scheme == "tcp+tls" else scheme, host=host.strip("[]"), port=int(port))


Resolved = tuple[int, tuple[str, int]]
"""Address family and socket address."""


def look_up(address: Address) -> list[Resolved]:
    """Names to numbers; may take long unless `is_numeric`. OSError when there are none."""
    kind = socket.SOCK_DGRAM if address.is_datagram else socket.SOCK_STREAM
    found = socket.getaddrinfo(address.host, address.port, type=kind)
    return [(family, (str(where[0]), int(where[1]))) for family, _, _, _, where in found]


def is_numeric(host: str) -> bool:
    """Tell whether no look-up is needed."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except OSError:
            continue
        return True
    return False
