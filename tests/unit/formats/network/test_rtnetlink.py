"""Routing netlink; requests as `ip` sends them, answers recorded from a 6.18 kernel."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from wharfie.formats.network import netlink, rtnetlink
from wharfie.formats.network.netlink import Message, NetlinkFormatError

ADDRESS = bytes.fromhex(
    "021080000200000008000100ac11000108000200ac11000108000400ac11ffff0c000300646f636b65723000"
    "08000800800000001400060 0ffffffffffffffff78790a0078790a00".replace(" ", "")
)
ROUTE = bytes.fromhex(
    "02100000fe02fd011000000008000f00fe00000008000100ac11000008000700ac1100010800040002000000"
)


def _answer(payload: bytes) -> Message:
    return Message(0, 0, 0, memoryview(payload))


def test_an_address_is_asked_for_as_ip_does() -> None:
    type_, flags, body = rtnetlink.add_address(2, IPv4Address("172.17.0.1"), 16)
    assert (type_, flags) == (20, 0x605)
    assert body == bytes.fromhex(
        "02100000020000000800 0200ac110001 08000100ac110001 08000400ac11ffff".replace(" ", "")
    )


def test_a_default_route_is_asked_for_as_ip_does() -> None:
    type_, flags, body = rtnetlink.add_default_route(IPv4Address("172.17.0.2"), 2)
    assert (type_, flags) == (24, 0x605)
    assert body == bytes.fromhex("02000000fe030001000000000800 0500ac110002 0800040002000000")


def test_a_veth_pair_names_both_ends_and_the_namespace() -> None:
    _type, _flags, body = rtnetlink.create_veth(
        "eth0", "wve1", namespace=7, mac="02:42:ac:11:00:02", index=64
    )
    assert body[4:8] == (64).to_bytes(4, "little")
    found = netlink.parse_attributes(body[16:])
    assert netlink.parse_text(found[3]) == "eth0"
    assert bytes(found[1]).hex(":") == "02:42:ac:11:00:02"
    info = netlink.parse_attributes(found[18])
    assert netlink.parse_text(info[1]) == "veth"
    peer = netlink.parse_attributes(netlink.parse_attributes(info[2])[1][16:])
    assert netlink.parse_text(peer[3]) == "wve1"
    assert netlink.parse_u32(peer[28]) == 7


def test_an_address_answer_is_read() -> None:
    expected = rtnetlink.LinkAddress(2, IPv4Address("172.17.0.1"), 16)
    assert rtnetlink.parse_address(_answer(ADDRESS)) == expected


def test_a_route_answer_is_read_and_local_ones_are_none() -> None:
    assert rtnetlink.parse_route(_answer(ROUTE)) == IPv4Network("172.17.0.0/16")
    local = bytearray(ROUTE)
    local[7] = 2
    assert rtnetlink.parse_route(_answer(bytes(local))) is None


def test_a_link_answer_is_read() -> None:
    _type, _flags, body = rtnetlink.create_bridge("docker0", mac="02:00:00:00:00:01", mtu=1400)
    link = rtnetlink.parse_link(_answer(body))
    assert (link.name, link.kind, link.mac, link.mtu) == (
        "docker0",
        "bridge",
        "02:00:00:00:00:01",
        1400,
    )
    assert not link.up


@pytest.mark.parametrize("payload", [b"", ADDRESS[:7], ROUTE[:11]])
def test_truncated_answers_are_format_errors(payload: bytes) -> None:
    for parse in (rtnetlink.parse_link, rtnetlink.parse_route):
        with pytest.raises(NetlinkFormatError):
            parse(_answer(payload))
    if len(payload) < 8:
        with pytest.raises(NetlinkFormatError):
            rtnetlink.parse_address(_answer(payload))


@pytest.mark.parametrize("mac", ["", "02:00", "02:00:00:00:00:0g", "0200:00:00:00:00", "x" * 17])
def test_what_is_no_hardware_address_is_refused(mac: str) -> None:
    with pytest.raises(NetlinkFormatError):
        rtnetlink.pack_mac(mac)
