"""nftables over netlink: tables, chains, sets, elements and rules as message bodies.

Every change travels in a batch (`batch([...])`), which the kernel commits or refuses as a whole.
An element of a concatenated key is its parts, each padded to four bytes. Rules are lists of
expressions working on registers: four of 16 bytes (REG_1..REG_4), or sixteen of 4 bytes
over the same storage (`word(0)` is the start of REG_1).

Source: linux/netfilter/nf_tables.h, nfnetlink.h; nft(8) with `--debug=netlink`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from msgspec import Struct

from wharfie.formats.network.netlink import (
    ACK,
    CREATE,
    DUMP,
    REQUEST,
    Message,
    attribute,
    be32,
    nested,
    parse_attributes,
    parse_list,
    parse_text,
    text,
)

Body = tuple[int, int, bytes]
Expression = bytes

IPV4 = 2
IPV6 = 10
_SUBSYSTEM = 10
_BATCH_BEGIN = 0x10
_BATCH_END = 0x11
_NEWTABLE, _GETTABLE, _DELTABLE, _NEWCHAIN, _GETCHAIN = 0, 1, 2, 3, 4
_NEWRULE, _GETRULE, _DELRULE, _NEWSET = 6, 7, 8, 9
_NEWSETELEM, _GETSETELEM, _DELSETELEM = 12, 13, 14
_APPEND = 0x800

REG_1 = 1
REG_2 = 2
_WORD_0 = 8

PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING = range(5)
DROP = 0
ACCEPT = 1

TYPE_IPV4 = 7
TYPE_IPV6 = 8
TYPE_PROTOCOL = 12
TYPE_SERVICE = 13
TYPE_INTERFACE = 41
_TYPE_BITS = 6

_SHOWN_AS_TEXT = bytes((0, 4)) + (1).to_bytes(4, sys.byteorder)
"""User data by which `nft list` knows that keys are in host byte order."""
_SET_INTERVAL = 0x4
_SET_MAP = 0x8
_ELEMENT_INTERVAL_END = 1

META_MARK = 3
META_IIFNAME = 6
META_OIFNAME = 7
META_L4PROTO = 16
_CT_STATE = 0
CT_STATUS = 2
STATE_ESTABLISHED_RELATED = 0x2 | 0x4
STATUS_DNAT = 1 << 5
NETWORK_HEADER = 1
TRANSPORT_HEADER = 2
_FIB_ADDRESS_TYPE = 3
_FIB_DESTINATION = 2
_RTN_LOCAL = 2

INTERFACE_SIZE = 16


class Table(Struct, frozen=True):
    """Which table: family and name."""

    name: str
    family: int = IPV4


class Chain(Struct, frozen=True, kw_only=True):
    """A base chain.

    Attributes:
        type: "filter" or "nat".
        policy: ACCEPT or DROP.
    """

    name: str
    type: str
    hook: int
    priority: int
    policy: int = ACCEPT


class Set(Struct, frozen=True, kw_only=True):
    """A set, or with `data` a map; `id` is a number unique in its batch.

    Attributes:
        key: types of the key's parts.
        data: types of the value's parts, () for a plain set.
        interval: keys are ranges (for prefixes).
    """

    name: str
    id: int
    key: tuple[int, ...]
    data: tuple[int, ...] = ()
    interval: bool = False


class Element(Struct, frozen=True):
    """One member of a set; `data` b"" in plain sets."""

    key: bytes
    data: bytes = b""
    interval_end: bool = False


def word(number: int) -> int:
    """The register of a 4-byte word, 0–15."""
    return _WORD_0 + number


def interface(name: str) -> bytes:
    """An interface name as a key.

    Raises:
        ValueError: longer than the kernel's 15 bytes.
    """
    data = name.encode()
    if not 0 < len(data) < INTERFACE_SIZE:
        raise ValueError(f"not an interface name: {name!r}")
    return data.ljust(INTERFACE_SIZE, b"\0")


def protocol(number: int) -> bytes:
    """A transport protocol number as part of a key."""
    return bytes((number, 0, 0, 0))


def service(port: int) -> bytes:
    """A port as part of a key or value."""
    return port.to_bytes(2, "big") + b"\0\0"


def comment(words: str) -> bytes:
    """User data of a rule that `nft list` shows as its comment."""
    data = words.encode()[:253] + b"\0"
    return bytes((0, len(data))) + data


def _type(number: int, flags: int, table: Table, *attributes: bytes) -> Body:
    header = bytes((table.family, 0, 0, 0))
    return _SUBSYSTEM << 8 | number, REQUEST | flags, header + b"".join(attributes)


def batch(bodies: Sequence[Body]) -> list[Body]:
    """Wrap messages into one transaction."""
    header = bytes((0, 0, 0, _SUBSYSTEM))
    return [(_BATCH_BEGIN, REQUEST, header), *bodies, (_BATCH_END, REQUEST, header)]


def add_table(table: Table) -> Body:
    """Make a table; an existing one is no error."""
    return _type(_NEWTABLE, CREATE, table, text(1, table.name))


def delete_table(table: Table) -> Body:
    """Delete a table with all it holds."""
    return _type(_DELTABLE, 0, table, text(1, table.name))


def get_table(table: Table) -> Body:
    """Ask for a table: ENOENT when missing."""
    return _type(_GETTABLE, ACK, table, text(1, table.name))


def add_chain(table: Table, chain: Chain) -> Body:
    """Make a base chain."""
    hook = nested(
        4, be32(1, chain.hook), attribute(2, chain.priority.to_bytes(4, "big", signed=True))
    )
    return _type(
        _NEWCHAIN,
        CREATE,
        table,
        text(1, table.name),
        text(3, chain.name),
        hook,
        be32(5, chain.policy),
        text(7, chain.type),
    )


def get_chain(table: Table, name: str) -> Body:
    """Ask for a chain: ENOENT when missing."""
    return _type(_GETCHAIN, ACK, table, text(1, table.name), text(3, name))


def _sizes(types: tuple[int, ...]) -> int:
    return sum(16 if part in (TYPE_INTERFACE, TYPE_IPV6) else 4 for part in types)


def _joined(types: tuple[int, ...]) -> int:
    number = 0
    for part in types:
        number = number << _TYPE_BITS | part
    return number


def _length(types: tuple[int, ...]) -> int:
    """Length of a key: a single part is not padded, parts of a concatenation are."""
    single = {
        TYPE_IPV4: 4,
        TYPE_IPV6: 16,
        TYPE_PROTOCOL: 1,
        TYPE_SERVICE: 2,
        TYPE_INTERFACE: INTERFACE_SIZE,
    }
    return single[types[0]] if len(types) == 1 else _sizes(types)


def add_set(table: Table, set_: Set) -> Body:
    """Make a set or map."""
    flags = (_SET_INTERVAL if set_.interval else 0) | (_SET_MAP if set_.data else 0)
    attributes = [
        text(1, table.name),
        text(2, set_.name),
        be32(3, flags),
        be32(4, _joined(set_.key)),
        be32(5, _length(set_.key)),
    ]
    if set_.data:
        attributes += [be32(6, _joined(set_.data)), be32(7, _length(set_.data))]
    attributes.append(be32(10, set_.id))
    if set_.key == (TYPE_INTERFACE,):
        attributes.append(attribute(13, _SHOWN_AS_TEXT))
    return _type(_NEWSET, CREATE, table, *attributes)


def _element(element: Element) -> bytes:
    attributes = [be32(3, _ELEMENT_INTERVAL_END)] if element.interval_end else []
    attributes.append(nested(1, attribute(1, element.key)))
    if element.data:
        attributes.append(nested(2, attribute(1, element.data)))
    return nested(1, *attributes)


def _elements(
    number: int, flags: int, table: Table, name: str, elements: Sequence[Element]
) -> Body:
    listed = nested(3, *(_element(element) for element in elements))
    return _type(number, flags, table, text(1, table.name), text(2, name), listed)


def add_elements(table: Table, name: str, elements: Sequence[Element]) -> Body:
    """Add to a set; an equal element is no error, another value for its key is."""
    return _elements(_NEWSETELEM, CREATE, table, name, elements)


def delete_elements(table: Table, name: str, elements: Sequence[Element]) -> Body:
    """Take from a set; a missing element fails the batch."""
    return _elements(_DELSETELEM, 0, table, name, elements)


def get_elements(table: Table, name: str) -> Body:
    """Ask for all elements of a set."""
    return _type(_GETSETELEM, DUMP, table, text(1, table.name), text(2, name))


def add_rule(
    table: Table,
    chain: str,
    expressions: Sequence[Expression],
    *,
    comment: bytes = b"",
    first: bool = False,
) -> Body:
    """Put a rule at the end of a chain, or at its beginning.

    Args:
        table: which table.
        chain: which chain.
        expressions: what it does.
        comment: user data kept with the rule, not interpreted by the kernel.
        first: before all other rules.
    """
    attributes = [text(1, table.name), text(2, chain), nested(4, *expressions)]
    if comment:
        attributes.append(attribute(7, comment))
    return _type(_NEWRULE, CREATE | (0 if first else _APPEND), table, *attributes)


def delete_rules(table: Table, chain: str) -> Body:
    """Delete all rules of a chain; none is no error."""
    return _type(_DELRULE, 0, table, text(1, table.name), text(2, chain))


def delete_rule(table: Table, chain: str, handle: int) -> Body:
    """Delete one rule by handle."""
    return _type(
        _DELRULE,
        0,
        table,
        text(1, table.name),
        text(2, chain),
        attribute(3, handle.to_bytes(8, "big")),
    )


def list_rules(table: Table, chain: str) -> Body:
    """Ask for the rules of a chain."""
    return _type(_GETRULE, DUMP, table, text(1, table.name), text(2, chain))


def parse_rule(answer: Message) -> tuple[int, bytes]:
    """Handle and user data of a rule."""
    found = parse_attributes(answer.payload[4:])
    return int.from_bytes(found.get(3, b""), "big"), bytes(found.get(7, b""))


def parse_chain_policy(answer: Message) -> int | None:
    """Policy of a base chain, None for other chains."""
    found = parse_attributes(answer.payload[4:])
    return int.from_bytes(found[5], "big") if 5 in found else None


def parse_elements(answer: Message) -> list[Element]:
    """Elements in one answer to `get_elements`."""
    elements = []
    for member in parse_list(parse_attributes(answer.payload[4:]).get(3, memoryview(b""))):
        found = parse_attributes(member)
        key = parse_attributes(found.get(1, memoryview(b""))).get(1, memoryview(b""))
        data = parse_attributes(found.get(2, memoryview(b""))).get(1, memoryview(b""))
        flags = int.from_bytes(found.get(3, b""), "big")
        elements.append(Element(bytes(key), bytes(data), bool(flags & _ELEMENT_INTERVAL_END)))
    return elements


def parse_name(answer: Message) -> str:
    """Name of the table an answer belongs to."""
    found = parse_attributes(answer.payload[4:])
    return parse_text(found[1]) if 1 in found else ""


def _expression(name: str, *attributes: bytes) -> Expression:
    return nested(1, text(1, name), nested(2, *attributes))


def load_meta(key: int, register: int) -> Expression:
    """Load a fact about the packet (META_*)."""
    return _expression("meta", be32(1, register), be32(2, key))


def set_mark(register: int) -> Expression:
    """Set the packet's mark from a register."""
    return _expression("meta", be32(2, META_MARK), be32(3, register))


def load_payload(base: int, offset: int, size: int, register: int) -> Expression:
    """Load bytes of a header."""
    return _expression("payload", be32(1, register), be32(2, base), be32(3, offset), be32(4, size))


def load_source(register: int, family: int = IPV4) -> Expression:
    """Load the source address."""
    offset, size = (12, 4) if family == IPV4 else (8, 16)
    return load_payload(NETWORK_HEADER, offset, size, register)


def load_destination(register: int, family: int = IPV4) -> Expression:
    """Load the destination address."""
    offset, size = (16, 4) if family == IPV4 else (24, 16)
    return load_payload(NETWORK_HEADER, offset, size, register)


def load_destination_port(register: int) -> Expression:
    """Load the destination port."""
    return load_payload(TRANSPORT_HEADER, 2, 2, register)


def compare(register: int, data: bytes, *, equal: bool = True) -> Expression:
    """Go on only where a register is (or is not) as given."""
    return _expression(
        "cmp", be32(1, register), be32(2, 0 if equal else 1), nested(3, attribute(1, data))
    )


def mask(register: int, bits: bytes, *, xor: bytes | None = None) -> Expression:
    """Keep only some bits of a register, then flip those of `xor`."""
    return _expression(
        "bitwise",
        be32(1, register),
        be32(2, register),
        be32(3, len(bits)),
        nested(4, attribute(1, bits)),
        nested(5, attribute(1, xor or bytes(len(bits)))),
    )


def has_ct_state(bits: int) -> list[Expression]:
    """Go on only where the connection's state is one of `bits`."""
    return _has_ct(_CT_STATE, bits)


def has_ct_status(bits: int) -> list[Expression]:
    """Go on only where the connection's status has one of `bits`."""
    return _has_ct(CT_STATUS, bits)


def _has_ct(key: int, bits: int) -> list[Expression]:
    return [
        _expression("ct", be32(1, REG_1), be32(2, key)),
        mask(REG_1, bits.to_bytes(4, sys.byteorder)),
        compare(REG_1, bytes(4), equal=False),
    ]


def is_destination_local() -> list[Expression]:
    """Go on only where the destination is an address of this host."""
    return [
        _expression("fib", be32(1, REG_1), be32(2, _FIB_ADDRESS_TYPE), be32(3, _FIB_DESTINATION)),
        compare(REG_1, _RTN_LOCAL.to_bytes(4, sys.byteorder)),
    ]


def lookup(set_: Set, register: int, *, inverted: bool = False) -> Expression:
    """Go on only where a register is (or is not) in a set; a map's value lands in REG_1."""
    attributes = [text(1, set_.name), be32(2, register)]
    if set_.data:
        attributes.append(be32(3, REG_1))
    attributes.append(be32(4, set_.id))
    if inverted:
        attributes.append(be32(5, 1))
    return _expression("lookup", *attributes)


def load_value(register: int, data: bytes) -> Expression:
    """Load a constant."""
    return _expression("immediate", be32(1, register), nested(2, attribute(1, data)))


def destination_nat(family: int = IPV4) -> Expression:
    """Send the connection to the address in REG_1 and the port in the word after it."""
    port = word(1) if family == IPV4 else word(4)
    return _expression("nat", be32(1, 1), be32(2, family), be32(3, REG_1), be32(5, port))


def masquerade() -> Expression:
    """Give the connection the source address of the interface it leaves by."""
    return _expression("masq")


def verdict(code: int) -> Expression:
    """End the chain with ACCEPT or DROP."""
    return _expression("immediate", be32(1, 0), nested(2, nested(2, be32(1, code))))


def count() -> Expression:
    """Count packets and bytes."""
    return _expression("counter")
