"""Wishes of published ports, parsed: container ports, host ports and addresses, allowed blocks."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network

from msgspec import UNSET

from wharfie.model.errors import InvalidArgument
from wharfie.model.network import Address, PortBinding

PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP, "sctp": 132}


def parse_allow(binding: PortBinding) -> tuple[str, ...]:
    """Blocks from which a port may be reached.

    Raises:
        InvalidArgument: no block.
    """
    blocks = []
    for text in binding.allow_from if binding.allow_from is not UNSET else ():
        try:
            blocks.append(str(ip_network(text, strict=False)))
        except ValueError:
            raise InvalidArgument(
                f"invalid allow-from: {text!r} is no block of addresses"
            ) from None
    return tuple(blocks)


def parse_port(spec: str) -> tuple[int, str]:
    """Parse a container port, "80/tcp" or "80".

    Raises:
        InvalidArgument: no port number, or an unknown protocol.
    """
    number, _, protocol = spec.partition("/")
    protocol = (protocol or "tcp").lower()
    if protocol not in PROTOCOLS:
        raise InvalidArgument(f"invalid proto: {protocol}")
    if not _is_port(number):
        raise InvalidArgument(f"invalid containerPort: {spec}")
    return int(number), protocol


def parse_host_ports(wish: str) -> tuple[int, int]:
    """Parse a host port or range ("8000-8010"); (0, 0) asks for an ephemeral one.

    Raises:
        InvalidArgument: another form.
    """
    if wish in ("", "0"):
        return 0, 0
    first, dash, last = wish.partition("-")
    if not _is_port(first) or (dash and not _is_port(last)) or (dash and int(last) < int(first)):
        raise InvalidArgument(f"invalid hostPort: {wish}")
    return int(first), int(last or first)


def parse_host_address(value: str) -> Address:
    """Parse a host address to publish on; IPv6 ones may be in brackets.

    Raises:
        InvalidArgument: no address.
    """
    try:
        return ip_address(value.strip("[]"))
    except ValueError:
        raise InvalidArgument(f"invalid IP address: {value}") from None


def _is_port(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= 5 and 0 < int(value) < 65536
