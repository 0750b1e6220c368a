"""Servers outside: the host's, as its resolv.conf says now, or those asked for.

Source: resolv.conf(5).
"""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Callable, Sequence

MOST_SERVERS = 3
_PATH = "/etc/resolv.conf"
_FRESH = 1.0
_FALLBACK = ("8.8.8.8", "8.8.4.4")


class Server:
    """A server to ask.

    Attributes:
        at_host: ask from the host's network namespace: it is on the host's own loopback.
    """

    __slots__ = ("address", "at_host", "is_ipv6")

    def __init__(self, address: str, *, at_host: bool) -> None:
        self.address = address
        self.at_host = at_host
        self.is_ipv6 = ":" in address


def servers_of(addresses: Sequence[str], *, host: bool) -> list[Server]:
    """Servers by address; those of the host's loopback are reached only from there."""
    found = []
    for text in addresses:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        at_host = host and (address.is_loopback or "%" in text)
        found.append(Server(text, at_host=at_host))
    return found[:MOST_SERVERS]


class HostServers:
    """The host's servers, read again when the file changed; it is looked at once a second."""

    def __init__(self, path: str = _PATH, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._looked = float("-inf")
        self._stamp: tuple[int, ...] = ()
        self._servers: list[Server] = []

    def get(self) -> list[Server]:
        """Servers to ask, in order."""
        now = self._clock()
        if now - self._looked >= _FRESH:
            self._looked = now
            self._refresh()
        return self._servers

    def _refresh(self) -> None:
        try:
            about = os.stat(self._path)
            stamp: tuple[int, ...] = (about.st_ino, about.st_mtime_ns, about.st_size)
            if stamp == self._stamp:
                return
            with open(self._path, encoding="utf-8", errors="replace") as file:
                words = [line.split() for line in file]
        except OSError:
            words, stamp = [], ()
        named = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
        self._servers = servers_of(named or _FALLBACK, host=True)
        self._stamp = stamp
