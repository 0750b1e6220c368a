"""Netlink framing; answers were recorded from a 6.18 kernel."""

from __future__ import annotations

import errno

import pytest

from wharfie.formats.network import netlink
from wharfie.formats.network.netlink import NetlinkFormatError

ENODEV = bytes.fromhex("2400000002000001070000008c1d0000edffffff2c000000120005000700000000000000")
NO_DEVICE = bytes.fromhex(
    "4000000002000003080000008c1d0000edffffff300000001400050608000000000000001b00010069707634"
    "3a20446576696365206e6f7420666f756e640000"
)


def test_a_message_says_its_length_and_pads_attributes() -> None:
    body = netlink.text(3, "ab") + netlink.u32(4, 7)
    assert body == b"\x07\x00\x03\x00ab\x00\x00" + b"\x08\x00\x04\x00\x07\x00\x00\x00"
    framed = netlink.message(16, 5, 9, body)
    assert framed[:16] == b"\x20\0\0\0\x10\0\x05\0\x09\0\0\0\0\0\0\0"
    (parsed,) = netlink.parse_messages(framed)
    assert (parsed.type, parsed.flags, parsed.sequence) == (16, 5, 9)
    found = netlink.parse_attributes(parsed.payload)
    assert netlink.parse_text(found[3]) == "ab"
    assert netlink.parse_u32(found[4]) == 7


def test_nesting_is_marked_and_the_mark_is_no_part_of_the_type() -> None:
    outer = netlink.nested(18, netlink.be32(1, 2))
    assert outer[2:4] == b"\x12\x80"
    inner = netlink.parse_attributes(netlink.parse_attributes(outer)[18])
    assert bytes(inner[1]) == b"\0\0\0\x02"


def test_an_error_carries_its_number() -> None:
    (answer,) = netlink.parse_messages(ENODEV)
    assert netlink.parse_outcome(answer) == netlink.Outcome(errno.ENODEV, "")


def test_an_error_carries_the_kernels_words() -> None:
    (answer,) = netlink.parse_messages(NO_DEVICE)
    assert netlink.parse_outcome(answer) == netlink.Outcome(errno.ENODEV, "ipv4: Device not found")


@pytest.mark.parametrize("cut", range(1, len(NO_DEVICE)))
def test_a_truncated_answer_is_a_format_error(cut: int) -> None:
    with pytest.raises(NetlinkFormatError):
        list(netlink.parse_messages(NO_DEVICE[:cut]))


def test_an_attribute_that_runs_past_the_end_is_a_format_error() -> None:
    with pytest.raises(NetlinkFormatError):
        netlink.parse_attributes(b"\xff\0\x01\0")
    with pytest.raises(NetlinkFormatError):
        list(netlink.parse_list(b"\x01\0\x01\0"))
