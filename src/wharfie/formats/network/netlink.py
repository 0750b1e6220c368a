"""Netlink framing: messages with attributes, as bytes.

    message    length:u32 type:u16 flags:u16 sequence:u32 port:u32 payload, padded to 4
    attribute  length:u16 type:u16 payload, padded to 4; bit 15 of the type marks nesting

All in host byte order; payloads of netfilter are in network order. A kernel answer is either
data, an error (errno 0 is an acknowledgement) or the end of a dump.

Source: netlink(7), linux/netlink.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from msgspec import Struct

REQUEST = 0x1
MULTI = 0x2
ACK = 0x4
DUMP = 0x300
EXCLUSIVE = 0x200
CREATE = 0x400

NLMSG_ERROR = 2
NLMSG_DONE = 3
FIRST_TYPE = 0x10

_CAPPED = 0x100
_ACK_TLVS = 0x200
_NESTED = 0x8000
_TYPE_MASK = 0x3FFF
_ERROR_MESSAGE = 1

_header = struct.Struct("=IHHII")
_attribute = struct.Struct("=HH")
_errno = struct.Struct("=i")
_u32 = struct.Struct("=I")


class NetlinkFormatError(ValueError):
    """Bytes that are no netlink message."""


class Message(Struct, frozen=True):
    """One message from the kernel; `payload` without the 16-byte header.

    Attributes:
        port: whose request it answers or tells of.
    """

    type: int
    flags: int
    sequence: int
    payload: memoryview
    port: int = 0


class Outcome(Struct, frozen=True):
    """What an error message says: `errno` 0 is an acknowledgement."""

    errno: int
    text: str


def message(type_: int, flags: int, sequence: int, payload: bytes) -> bytes:
    """Frame `payload`; its length must be a multiple of 4 for others to follow."""
    return _header.pack(_header.size + len(payload), type_, flags, sequence, 0) + payload


def attribute(type_: int, value: bytes) -> bytes:
    """One attribute, padded."""
    return _attribute.pack(4 + len(value), type_) + value + bytes(-len(value) % 4)


def nested(type_: int, *attributes: bytes) -> bytes:
    """An attribute made of attributes, marked as nested."""
    return attribute(type_ | _NESTED, b"".join(attributes))


def text(type_: int, value: str) -> bytes:
    """A zero-terminated string attribute."""
    return attribute(type_, value.encode() + b"\0")


def u32(type_: int, value: int) -> bytes:
    """A 32-bit attribute in host order."""
    return attribute(type_, _u32.pack(value))


def be32(type_: int, value: int) -> bytes:
    """A 32-bit attribute in network order."""
    return attribute(type_, value.to_bytes(4, "big"))


def parse_messages(data: bytes | memoryview) -> Iterator[Message]:
    """Split one datagram of the kernel.

    Raises:
        NetlinkFormatError: a length that runs past the end or does not hold a header.
    """
    view = memoryview(data)
    while view:
        if len(view) < _header.size:
            raise NetlinkFormatError("truncated netlink header")
        length, type_, flags, sequence, port = _header.unpack_from(view)
        if length < _header.size or length > len(view):
            raise NetlinkFormatError(f"netlink message length {length} of {len(view)}")
        yield Message(type_, flags, sequence, view[_header.size : length], port)
        view = view[(length + 3) & ~3 :]


def parse_attributes(data: bytes | memoryview) -> dict[int, memoryview]:
    """Attributes by type without flag bits; of repeated ones the last counts.

    Raises:
        NetlinkFormatError: a length that runs past the end.
    """
    view = memoryview(data)
    found: dict[int, memoryview] = {}
    while len(view) >= _attribute.size:
        length, type_ = _attribute.unpack_from(view)
        if length < _attribute.size or length > len(view):
            raise NetlinkFormatError(f"netlink attribute length {length} of {len(view)}")
        found[type_ & _TYPE_MASK] = view[_attribute.size : length]
        view = view[(length + 3) & ~3 :]
    return found


def parse_list(data: bytes | memoryview) -> Iterator[memoryview]:
    """Payloads of a nested list whose members share one type.

    Raises:
        NetlinkFormatError: a length that runs past the end.
    """
    view = memoryview(data)
    while len(view) >= _attribute.size:
        length, _type = _attribute.unpack_from(view)
        if length < _attribute.size or length > len(view):
            raise NetlinkFormatError(f"netlink attribute length {length} of {len(view)}")
        yield view[_attribute.size : length]
        view = view[(length + 3) & ~3 :]


def parse_outcome(answer: Message) -> Outcome:
    """Read an error message (type NLMSG_ERROR), with the kernel's words if it gave any.

    Raises:
        NetlinkFormatError: too short.
    """
    if len(answer.payload) < _errno.size:
        raise NetlinkFormatError("truncated netlink error")
    (code,) = _errno.unpack_from(answer.payload)
    words = ""
    if answer.flags & _ACK_TLVS and len(answer.payload) >= 4 + _header.size:
        echoed = _u32.unpack_from(answer.payload, 4)[0]
        skip = 4 + (_header.size if answer.flags & _CAPPED else (echoed + 3) & ~3)
        found = parse_attributes(answer.payload[skip:])
        if _ERROR_MESSAGE in found:
            words = bytes(found[_ERROR_MESSAGE]).rstrip(b"\0").decode(errors="replace")
    return Outcome(errno=-code, text=words)


def parse_text(value: memoryview) -> str:
    """A zero-terminated string."""
    return bytes(value).partition(b"\0")[0].decode(errors="replace")


def parse_u32(value: memoryview) -> int:
    """A 32-bit value in host order.

    Raises:
        NetlinkFormatError: not four bytes.
    """
    if len(value) != _u32.size:
        raise NetlinkFormatError(f"32-bit attribute of {len(value)} bytes")
    number: int = _u32.unpack(value)[0]
    return number
