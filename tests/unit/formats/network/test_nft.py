"""nftables messages, byte for byte as `nft` 1.0.6 sends them."""

from __future__ import annotations

import pytest

from wharfie.formats.network import nft
from wharfie.formats.network.netlink import Message

TABLE = nft.Table("t")
PUBLISHED = nft.Set(
    name="published",
    id=1,
    key=(nft.TYPE_PROTOCOL, nft.TYPE_SERVICE),
    data=(nft.TYPE_IPV4, nft.TYPE_SERVICE),
)
CHAIN = bytes.fromhex(
    "020000020c00010077686172666965000c000300666f7277617264000c0002000000000000000001140004000800"
    "01000000000208000200fffffff608000500000000000b00070066696c746572000008000a000000000108000600"
    "00000001"
)
RULE = bytes.fromhex(
    "020000020c00010077686172666965000c000200666f7277617264000c0003000000000000000002340004003000"
    "01000e000100696d6d6564696174650000001c0002000800010000000000100002000c0002000800010000000001"
    "090007000003686900000000"
)


def _answer(payload: bytes) -> Message:
    return Message(0, 0, 0, memoryview(payload))


def test_a_map_element_is_as_nft_sends_it() -> None:
    element = nft.Element(
        nft.protocol(6) + nft.service(8080), b"\xac\x11\x00\x02" + nft.service(80)
    )
    type_, flags, body = nft.add_elements(TABLE, "published", [element])
    assert (type_, flags) == (10 << 8 | 12, 0x401)
    assert body == (
        b"\x02\0\0\0"
        b"\x06\0\x01\0t\0\0\0"
        b"\x0e\0\x02\0published\0\0\0"
        b"\x28\0\x03\x80"
        b"\x24\x00\x01\x80\x10\x00\x01\x80\x0c\x00\x01\x00\x06\x00\x00\x00\x1f\x90\x00\x00"
        b"\x10\x00\x02\x80\x0c\x00\x01\x00\xac\x11\x00\x02\x00\x50\x00\x00"
    )


def test_a_chain_has_the_hook_and_policy_nft_gives_it() -> None:
    chain = nft.Chain(
        name="forward", type="filter", hook=nft.FORWARD, priority=-10, policy=nft.DROP
    )
    type_, flags, body = nft.add_chain(TABLE, chain)
    assert (type_, flags) == (10 << 8 | 3, 0x401)
    for part in (
        b"\x14\0\x04\x80\x08\x00\x01\x00\x00\x00\x00\x02\x08\x00\x02\x00\xff\xff\xff\xf6",
        b"\x08\0\x05\0\0\0\0\0",
        b"\x0b\0\x07\0filter\0\0",
    ):
        assert part in body


def test_a_batch_is_marked_at_both_ends() -> None:
    begin, middle, end = nft.batch([nft.add_table(TABLE)])
    assert begin == (0x10, 1, b"\0\0\0\x0a")
    assert middle[0] == 10 << 8
    assert end == (0x11, 1, b"\0\0\0\x0a")


def test_a_concatenated_type_has_six_bits_a_part() -> None:
    _type, _flags, body = nft.add_set(TABLE, PUBLISHED)
    assert b"\x08\0\x04\0" + (12 << 6 | 13).to_bytes(4, "big") in body
    assert b"\x08\0\x05\0" + (8).to_bytes(4, "big") in body
    assert b"\x08\0\x06\0" + (7 << 6 | 13).to_bytes(4, "big") in body


def test_answers_are_read() -> None:
    assert nft.parse_chain_policy(_answer(CHAIN)) == nft.DROP
    assert nft.parse_name(_answer(CHAIN)) == "wharfie"
    assert nft.parse_rule(_answer(RULE)) == (2, nft.comment("hi"))


def test_elements_come_back_as_they_went() -> None:
    elements = [
        nft.Element(b"\x0a\0\0\0"),
        nft.Element(b"\x0b\0\0\0", interval_end=True),
        nft.Element(b"abcd", b"data"),
    ]
    _type, _flags, body = nft.add_elements(TABLE, "s", elements)
    assert nft.parse_elements(_answer(body)) == elements


@pytest.mark.parametrize("name", ["", "a" * 16, "é" * 8])
def test_names_the_kernel_has_no_room_for_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="interface"):
        nft.interface(name)
