"""The names a server certificate is valid for: host names and addresses told apart.

Clients look only at the subject alternative names (RFC 6125 §6.4, RFC 9525): an address typed
by the user matches an iPAddress entry and nothing else, a name matches a dNSName entry.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from wharfie.pki.errors import InvalidRequest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Underscores are against RFC 952 but common in the names of containers and machines.
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_LONGEST = 253
_LONGEST_COMMON_NAME = 64


@dataclass(frozen=True)
class HostNames:
    """Subject alternative names, in the order given and without repeats."""

    dns: tuple[str, ...] = ()
    addresses: tuple[Address, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.dns or self.addresses)


def parse_hosts(hosts: Iterable[str]) -> HostNames:
    """Sort hosts into names and addresses; each may itself be a comma-separated list.

    Brackets around an IPv6 address, a `DNS:` or `IP:` prefix as openssl writes them, and a final
    dot are dropped. A name is lower-cased.

    Raises:
        InvalidRequest: something is neither a host name nor an address.
    """
    dns: dict[str, None] = {}
    addresses: dict[Address, None] = {}
    for host in (part.strip() for text in hosts for part in text.split(",")):
        address = _address(host)
        if address is not None:
            addresses[address] = None
        else:
            dns[_name(host)] = None
    return HostNames(tuple(dns), tuple(addresses))


def _address(host: str) -> Address | None:
    bare = host.removeprefix("IP:")
    if bare.startswith("[") and bare.endswith("]"):
        bare = bare[1:-1]
    if "%" in bare:
        raise InvalidRequest(f'invalid host "{host}": a zone cannot be certified')
    try:
        return ipaddress.ip_address(bare)
    except ValueError:
        return None


def _name(host: str) -> str:
    bare = host.removeprefix("DNS:").removesuffix(".").lower()
    labels = bare.split(".")
    if labels[0] == "*":
        # A star alone, or over a top-level domain, is refused by every client.
        labels = labels[1:] if len(labels) > 2 else [""]
    if (
        host.startswith("IP:")
        or len(bare) > _LONGEST
        or not all(_LABEL.fullmatch(label) for label in labels)
        or labels[-1].isdigit()
    ):
        raise InvalidRequest(f'invalid host "{host}": neither a host name nor an IP address')
    return bare


def parse_common_name(name: str) -> str:
    """Check a common name: 1 to 64 printable characters (RFC 5280, ub-common-name)."""
    if not name or len(name) > _LONGEST_COMMON_NAME or not name.isprintable():
        raise InvalidRequest(f"invalid common name {name!r}: 1 to 64 printable characters")
    return name
