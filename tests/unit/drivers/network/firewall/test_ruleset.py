"""The firewall as a value; that the kernel takes it and does it is an integration test."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from wharfie.drivers.network.firewall import ruleset as rules
from wharfie.formats.network import nft
from wharfie.formats.network.netlink import Message, parse_attributes, parse_text

TABLE = nft.Table("wharfie")
NETWORK = rules.NetworkRules(bridge="docker0", subnet=IPv4Network("172.17.0.0/16"))
PORT = rules.PortRule(
    protocol="tcp",
    host_address=IPv4Address("0.0.0.0"),
    host_port=8080,
    address=IPv4Address("172.17.0.2"),
    port=80,
)


def _elements(bodies: list[nft.Body]) -> dict[str, list[nft.Element]]:
    found: dict[str, list[nft.Element]] = {}
    for type_, _flags, body in bodies:
        if type_ & 0xFF in (12, 14):
            name = parse_text(parse_attributes(body[4:])[2])
            found[name] = nft.parse_elements(Message(0, 0, 0, memoryview(body)))
    return found


def test_a_ruleset_replaces_the_table_as_a_whole() -> None:
    bodies = rules.ruleset(TABLE, [NETWORK], [PORT])
    assert [type_ & 0xFF for type_, _, _ in bodies[:3]] == [0, 2, 0]
    assert _elements(bodies).keys() == {
        "bridges", "subnets", "icc", "masquerade", "loopback", "published",
    }  # fmt: skip


def test_a_port_is_one_element_of_one_map() -> None:
    assert _elements(rules.add_ports(TABLE, [PORT])) == {
        "published": [nft.Element(b"\x06\0\0\0\x1f\x90\0\0", b"\xac\x11\0\x02\0\x50\0\0")]
    }
    precise = rules.PortRule(
        protocol="udp",
        host_address=IPv4Address("127.0.0.1"),
        host_port=53,
        address=IPv4Address("172.17.0.2"),
        port=53,
    )
    assert _elements(rules.add_ports(TABLE, [precise])) == {
        "published_on": [
            nft.Element(b"\x7f\0\0\x01\x11\0\0\0\0\x35\0\0", b"\xac\x11\0\x02\0\x35\0\0")
        ]
    }
    assert rules.add_ports(TABLE, []) == []


def test_deleting_names_the_elements_that_were_added() -> None:
    for add, delete in (
        (rules.add_ports(TABLE, [PORT]), rules.delete_ports(TABLE, [PORT])),
        (rules.add_network(TABLE, NETWORK), rules.delete_network(TABLE, NETWORK)),
    ):
        assert _elements(add) == _elements(delete)
        assert [type_ & 0xFF for type_, _, _ in delete] == [14] * len(add)


def test_internal_networks_are_not_masqueraded() -> None:
    internal = rules.NetworkRules(
        bridge="br-1", subnet=IPv4Network("172.18.0.0/16"), internal=True, icc=False
    )
    assert _elements(rules.add_network(TABLE, internal)).keys() == {
        "bridges", "subnets", "internal",
    }  # fmt: skip


def test_a_subnet_ends_where_the_next_begins() -> None:
    found = _elements(rules.add_network(TABLE, NETWORK))["subnets"]
    assert found == [
        nft.Element(b"\xac\x11\0\0"),
        nft.Element(b"\xac\x12\0\0", interval_end=True),
    ]
    last = rules.NetworkRules(bridge="b", subnet=IPv4Network("255.0.0.0/8"))
    assert len(_elements(rules.add_network(TABLE, last))["subnets"]) == 1


def test_packets_are_marked_only_when_others_have_to_know() -> None:
    mark = nft.set_mark(nft.REG_1)
    for wanted in (False, True):
        data = b"".join(body for _, _, body in rules.ruleset(TABLE, [], [], mark=wanted))
        assert (mark in data) is wanted
