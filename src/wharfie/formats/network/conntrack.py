"""Connection tracking over netlink: list flows, delete one.

A flow is deleted by the tuple of its first packet, echoed as the kernel gave it.

Source: linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

from wharfie.formats.network.netlink import ACK, DUMP, REQUEST, Message, nested, parse_attributes

Body = tuple[int, int, bytes]

_SUBSYSTEM = 1
_GET = 1
_DELETE = 2
_IPV4, _IPV6 = 2, 10
_TUPLE_ORIGINAL = 1
_IP, _PROTOCOL = 1, 2
_DESTINATIONS = {4: 2, 16: 4}
"""Attribute of the destination by the length of an address."""
_NUMBER, _DESTINATION_PORT = 1, 3


class Flow(Struct, frozen=True):
    """A tracked connection, by its first packet."""

    protocol: int
    destination: IPv4Address | IPv6Address
    destination_port: int
    tuple_: bytes


def list_flows(version: int = 4) -> Body:
    """Ask for all flows of IPv4 or IPv6."""
    family = _IPV4 if version == 4 else _IPV6
    return _SUBSYSTEM << 8 | _GET, REQUEST | DUMP, bytes((family, 0, 0, 0))


def delete_flow(flow: Flow) -> Body:
    """Forget one flow; ENOENT when it has gone."""
    family = _IPV4 if flow.destination.version == 4 else _IPV6
    body = bytes((family, 0, 0, 0)) + nested(_TUPLE_ORIGINAL, flow.tuple_)
    return _SUBSYSTEM << 8 | _DELETE, REQUEST | ACK, body


def parse_flow(answer: Message) -> Flow | None:
    """Read one answer to `list_flows`; None for protocols without ports."""
    original = parse_attributes(answer.payload[4:]).get(_TUPLE_ORIGINAL)
    if original is None:
        return None
    parts = parse_attributes(original)
    if _IP not in parts or _PROTOCOL not in parts:
        return None
    addresses = parse_attributes(parts[_IP])
    transport = parse_attributes(parts[_PROTOCOL])
    number = transport.get(_NUMBER)
    found = [value for size, kind in _DESTINATIONS.items()
             if (value := addresses.get(kind)) is not None and len(value) == size]  # fmt: skip
    if not found or _DESTINATION_PORT not in transport:
        return None
    packed = bytes(found[0])
    if not number:
        return None
    return Flow(
        protocol=number[0],
        destination=IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed),
        destination_port=int.from_bytes(transport[_DESTINATION_PORT], "big"),
        tuple_=bytes(original),
    )
