"""`NO_PROXY`: which servers are reached without a proxy.

Source: Go, golang.org/x/net/http/httpproxy.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def split_exceptions(text: str) -> tuple[str, ...]:
    """The items of the variable."""
    listed = (item.strip().lower() for item in text.split(","))
    return tuple(item for item in listed if item)


def is_excepted(host: str, port: int, exceptions: Iterable[str]) -> bool:
    """Whether a server is reached directly; loopback always is.

    Args:
        host: name or address, without brackets.
        port: of the server.
        exceptions: hosts, which stand for those below them, too; `.suffixes`, addresses, CIDRs,
            `host:port`, `*`.
    """
    host = host.lower()
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_excepts(item, host, port, address) for item in exceptions)


def _excepts(item: str, host: str, port: int, address: Address | None) -> bool:
    if item == "*":
        return True
    if address is not None:
        try:
            return address in ipaddress.ip_network(item, strict=False)
        except ValueError:
            shown = f"[{host}]" if ":" in host else host
            return item in (host, f"{shown}:{port}")
    name, colon, number = item.rpartition(":")
    if colon:
        if number != str(port):
            return False
        item = name
    if item.startswith("*."):
        item = item[1:]
    if item.startswith("."):
        return host.endswith(item)
    return host == item or host.endswith("." + item)


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
