"""Connection tracking over netlink: list flows, delete one.

A flow is deleted by the tuple of its first packet, echoed as the kernel gave it.

Source: linux/netfilter/nfnetlink_conntrack.h.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from msgspec import Struct

from wharfie.formats.network.netlink import ACK, DUMP, REQUEST, Message, nested, parse_attributes

Body = tuple[int, int, bytes]

_SUBSYSTEM = 1
_GET = 1
_DELETE = 2
_IPV4 = 2
_TUPLE_ORIGINAL = 1
_IP, _PROTOCOL = 1, 2
_DESTINATION = 2
_NUMBER, _DESTINATION_PORT = 1, 3


class Flow(Struct, frozen=True):
    """A tracked connection, by its first packet."""

    protocol: int
    destination: IPv4Address
    destination_port: int
    tuple_: bytes


def list_flows() -> Body:
    """Ask for all IPv4 flows."""
    return _SUBSYSTEM << 8 | _GET, REQUEST | DUMP, bytes((_IPV4, 0, 0, 0))


def delete_flow(flow: Flow) -> Body:
    """Forget one flow; ENOENT when it has gone."""
    body = bytes((_IPV4, 0, 0, 0)) + nested(_TUPLE_ORIGINAL, flow.tuple_)
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
    destination = addresses.get(_DESTINATION)
    number = transport.get(_NUMBER)
    if destination is None or len(destination) != 4 or _DESTINATION_PORT not in transport:
        return None
    if not number:
        return None
    return Flow(
        protocol=number[0],
        destination=IPv4Address(bytes(destination)),
        destination_port=int.from_bytes(transport[_DESTINATION_PORT], "big"),
        tuple_=bytes(original),
    )
