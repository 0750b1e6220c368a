"""The names and addresses by which this machine goes, for certificates of its own servers.

What a resolver says of them is not asked: a certificate should name what others use, and the
caller adds that. Loopback is always among them, link-local addresses never: they need a zone.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from collections.abc import Iterator

from wharfie.pki.names import Address

_SIOCGIFADDR = 0x8915
_IF_INET6 = "/proc/net/if_inet6"


def own_names() -> list[str]:
    """Return host names first, then addresses, `localhost` and loopback last."""
    names = [socket.gethostname(), socket.getfqdn()]
    kept = [name for name in names if _is_certifiable(name)]
    addresses: list[Address] = [*_ipv4(), *_ipv6()]
    kept += [str(address) for address in addresses if _is_reachable(address)]
    return list(dict.fromkeys([*kept, "localhost", "127.0.0.1", "::1"]))


def _is_certifiable(name: str) -> bool:
    return bool(name) and not name.startswith("localhost") and not name.endswith(".arpa")


def _is_reachable(address: Address) -> bool:
    return not (address.is_loopback or address.is_link_local or address.is_unspecified)


def _ipv4() -> Iterator[ipaddress.IPv4Address]:
    """Yield the first address of each interface."""
    if sys.platform != "linux":
        return
    import fcntl  # noqa: PLC0415 - there is none on other systems

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                reply = fcntl.ioctl(asking, _SIOCGIFADDR, request)
            except OSError:
                continue  # it has no IPv4 address
            yield ipaddress.IPv4Address(reply[20:24])


def _ipv6() -> Iterator[ipaddress.IPv6Address]:
    try:
        with open(_IF_INET6, encoding="ascii") as file:
            lines = file.readlines()
    except OSError:
        return  # no IPv6, or no Linux
    for line in lines:
        yield ipaddress.IPv6Address(int(line.split()[0], 16))
