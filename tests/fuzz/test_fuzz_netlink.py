"""Whatever bytes come from a netlink socket: values or a format error, never another end."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.network import conntrack, netlink, nft, rtnetlink
from wharfie.formats.network.netlink import Message, NetlinkFormatError


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_a_format_error(data: bytes) -> None:
    with contextlib.suppress(NetlinkFormatError):
        for answer in netlink.parse_messages(data):
            netlink.parse_outcome(answer)


@given(st.binary(max_size=200), st.integers(0, 0xFFFF))
def test_any_payload_is_a_value_or_a_format_error(data: bytes, flags: int) -> None:
    answer = Message(2, flags, 0, memoryview(data))
    for parse in (
        netlink.parse_outcome,
        rtnetlink.parse_link,
        rtnetlink.parse_address,
        rtnetlink.parse_route,
        conntrack.parse_flow,
        nft.parse_rule,
        nft.parse_chain_policy,
        nft.parse_elements,
        nft.parse_name,
    ):
        with contextlib.suppress(NetlinkFormatError):
            parse(answer)


@given(st.lists(st.tuples(st.integers(1, 0x3FFF), st.binary(max_size=40)), max_size=8))
def test_attributes_come_back_as_they_went(pairs: list[tuple[int, bytes]]) -> None:
    data = b"".join(netlink.attribute(type_, value) for type_, value in pairs)
    assert {k: bytes(v) for k, v in netlink.parse_attributes(data).items()} == dict(pairs)
    assert [bytes(value) for value in netlink.parse_list(data)] == [value for _, value in pairs]
