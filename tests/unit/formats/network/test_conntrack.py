from __future__ import annotations

from ipaddress import IPv4Address

from wharfie.formats.network import conntrack, netlink
from wharfie.formats.network.netlink import Message

TUPLE = netlink.nested(
    1, netlink.attribute(1, b"\x0a\0\0\x01"), netlink.attribute(2, b"\x0a\0\0\x02")
) + netlink.nested(
    2,
    netlink.attribute(1, b"\x11"),
    netlink.attribute(2, b"\x30\x39"),
    netlink.attribute(3, b"\x14\xe9"),
)


def test_a_flow_is_read_and_deleted_by_its_own_tuple() -> None:
    answer = Message(0, 0, 0, memoryview(b"\x02\0\0\0" + netlink.nested(1, TUPLE)))
    flow = conntrack.parse_flow(answer)
    assert flow is not None
    assert (flow.protocol, flow.destination, flow.destination_port) == (
        17,
        IPv4Address("10.0.0.2"),
        5353,
    )
    type_, flags, body = conntrack.delete_flow(flow)
    assert (type_, flags) == (1 << 8 | 2, 5)
    assert body == b"\x02\0\0\0" + netlink.nested(1, TUPLE)


def test_a_flow_without_ports_is_none() -> None:
    icmp = netlink.nested(1, netlink.attribute(2, b"\x0a\0\0\x02"))
    icmp += netlink.nested(2, netlink.attribute(1, b"\x01"))
    answer = Message(0, 0, 0, memoryview(b"\x02\0\0\0" + netlink.nested(1, icmp)))
    assert conntrack.parse_flow(answer) is None
    assert conntrack.parse_flow(Message(0, 0, 0, memoryview(b"\x02\0\0\0"))) is None
