"""The firewall as a value: which tables, chains, sets and rules make networks behave.

    prerouting (raw)  what comes from outside for 127/8 is dropped: bridges have route_localnet,
                      and ports published on 127.0.0.1 are for this host alone
    prerouting (nat)  for addresses of this host: (address, protocol, port), then
    output     (nat)    (protocol, port) → container address and port
    forward           established | same bridge with icc | not internal and redirected → accept;
                      else what goes to a bridge is dropped: other networks, direct routes
    postrouting       redirected from 127/8 or from a container (hairpin, other network), and
                      from a container to the outside → masquerade

The rules never change; networks and published ports are elements of sets and maps.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct

from wharfie.drivers.network.settings import ANY_HOST
from wharfie.formats.network import nft
from wharfie.formats.network.nft import Body, Chain, Element, Expression, Set, Table

FORWARD_MARK = 0x57000000
"""Bits of the packet mark that tell other firewalls "accepted by wharfie"."""
_MARK_MASK = 0xFF000000
_ANY = IPv4Address(ANY_HOST)
_PROTOCOL_NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}

_NAME = (nft.TYPE_INTERFACE,)
_TARGET = (nft.TYPE_IPV4, nft.TYPE_SERVICE)
BRIDGES = Set(name="bridges", id=1, key=_NAME)
INTERNAL = Set(name="internal", id=2, key=_NAME)
ICC = Set(name="icc", id=3, key=(nft.TYPE_INTERFACE, nft.TYPE_INTERFACE))
SUBNETS = Set(name="subnets", id=4, key=(nft.TYPE_IPV4,), interval=True)
MASQUERADE = Set(name="masquerade", id=5, key=(nft.TYPE_IPV4,), interval=True)
LOOPBACK = Set(name="loopback", id=6, key=(nft.TYPE_IPV4,), interval=True)
PUBLISHED = Set(name="published", id=7, key=(nft.TYPE_PROTOCOL, nft.TYPE_SERVICE), data=_TARGET)
PUBLISHED_ON = Set(
    name="published_on",
    id=8,
    key=(nft.TYPE_IPV4, nft.TYPE_PROTOCOL, nft.TYPE_SERVICE),
    data=_TARGET,
)
SETS = (BRIDGES, INTERNAL, ICC, SUBNETS, MASQUERADE, LOOPBACK, PUBLISHED, PUBLISHED_ON)

CHAINS = (
    Chain(name="raw_prerouting", type="filter", hook=nft.PREROUTING, priority=-300),
    Chain(name="prerouting", type="nat", hook=nft.PREROUTING, priority=-100),
    Chain(name="output", type="nat", hook=nft.OUTPUT, priority=-100),
    # Before the usual filter priority, so that a mark can reach the chains of others.
    Chain(name="forward", type="filter", hook=nft.FORWARD, priority=-10),
    Chain(name="postrouting", type="nat", hook=nft.POSTROUTING, priority=100),
)


class NetworkRules(Struct, frozen=True, kw_only=True):
    """What the firewall knows of a network."""

    bridge: str
    subnet: IPv4Network
    icc: bool = True
    internal: bool = False
    masquerade: bool = True


class PortRule(Struct, frozen=True, kw_only=True):
    """What the firewall knows of a published port."""

    protocol: str
    host_address: IPv4Address
    host_port: int
    address: IPv4Address
    port: int


def ruleset(
    table: Table,
    networks: Iterable[NetworkRules],
    ports: Iterable[PortRule],
    *,
    mark: bool = False,
) -> list[Body]:
    """Everything, in place of whatever the table held.

    Args:
        table: which table.
        networks: all networks.
        ports: all published ports.
        mark: put our sign on accepted packets, for a rule in somebody else's chain.
    """
    bodies = [nft.add_table(table), nft.delete_table(table), nft.add_table(table)]
    bodies += [nft.add_set(table, set_) for set_ in SETS]
    bodies += [nft.add_chain(table, chain) for chain in CHAINS]
    bodies += [nft.add_rule(table, chain, rule) for chain, rule in rules(mark=mark)]
    bodies.append(nft.add_elements(table, LOOPBACK.name, _prefix(IPv4Network("127.0.0.0/8"))))
    for network in networks:
        bodies += add_network(table, network)
    return bodies + add_ports(table, list(ports))


def add_network(table: Table, network: NetworkRules) -> list[Body]:
    """Let the firewall know a network."""
    return [nft.add_elements(table, name, some) for name, some in _of_network(network)]


def delete_network(table: Table, network: NetworkRules) -> list[Body]:
    """Forget a network."""
    return [nft.delete_elements(table, name, some) for name, some in _of_network(network)]


def add_ports(table: Table, ports: Sequence[PortRule]) -> list[Body]:
    """Redirect published ports."""
    return [nft.add_elements(table, name, some) for name, some in _of_ports(ports)]


def delete_ports(table: Table, ports: Sequence[PortRule]) -> list[Body]:
    """Redirect them no more."""
    return [nft.delete_elements(table, name, some) for name, some in _of_ports(ports)]


def expected_sizes(networks: Iterable[NetworkRules], ports: Iterable[PortRule]) -> dict[str, int]:
    """How many elements each set should have."""
    sizes = dict.fromkeys((set_.name for set_ in SETS), 0)
    sizes[LOOPBACK.name] = len(_prefix(IPv4Network("127.0.0.0/8")))
    for network in networks:
        for name, elements in _of_network(network):
            sizes[name] += len(elements)
    for name, elements in _of_ports(list(ports)):
        sizes[name] += len(elements)
    return sizes


def _prefix(network: IPv4Network) -> list[Element]:
    elements = [Element(network.network_address.packed)]
    after = int(network.broadcast_address) + 1
    if after < 1 << 32:
        elements.append(Element(after.to_bytes(4, "big"), interval_end=True))
    return elements


def _of_network(network: NetworkRules) -> list[tuple[str, list[Element]]]:
    name = nft.interface(network.bridge)
    found = [(BRIDGES.name, [Element(name)]), (SUBNETS.name, _prefix(network.subnet))]
    if network.internal:
        found.append((INTERNAL.name, [Element(name)]))
    if network.icc:
        found.append((ICC.name, [Element(name + name)]))
    if network.masquerade and not network.internal:
        found.append((MASQUERADE.name, _prefix(network.subnet)))
    return found


def _of_ports(ports: Sequence[PortRule]) -> list[tuple[str, list[Element]]]:
    general: list[Element] = []
    special: list[Element] = []
    for port in ports:
        key = nft.protocol(_PROTOCOL_NUMBERS[port.protocol]) + nft.service(port.host_port)
        target = port.address.packed + nft.service(port.port)
        if port.host_address == _ANY:
            general.append(Element(key, target))
        else:
            special.append(Element(port.host_address.packed + key, target))
    found = [(PUBLISHED.name, general), (PUBLISHED_ON.name, special)]
    return [(name, elements) for name, elements in found if elements]


def _from(set_: Set, *, inverted: bool = False) -> list[Expression]:
    return [
        nft.load_meta(nft.META_IIFNAME, nft.REG_1),
        nft.lookup(set_, nft.REG_1, inverted=inverted),
    ]


def _to(set_: Set, *, inverted: bool = False) -> list[Expression]:
    return [
        nft.load_meta(nft.META_OIFNAME, nft.REG_1),
        nft.lookup(set_, nft.REG_1, inverted=inverted),
    ]


def _source_in(set_: Set) -> list[Expression]:
    return [nft.load_source(nft.REG_1), nft.lookup(set_, nft.REG_1)]


def _redirect() -> list[list[Expression]]:
    """To the container that published the port on this address, or on all."""
    precise = [
        *nft.is_destination_local(),
        nft.load_destination(nft.word(0)),
        nft.load_meta(nft.META_L4PROTO, nft.word(1)),
        nft.load_destination_port(nft.word(2)),
        nft.lookup(PUBLISHED_ON, nft.REG_1),
        nft.destination_nat(),
    ]
    general = [
        *nft.is_destination_local(),
        nft.load_meta(nft.META_L4PROTO, nft.word(0)),
        nft.load_destination_port(nft.word(1)),
        nft.lookup(PUBLISHED, nft.REG_1),
        nft.destination_nat(),
    ]
    return [precise, general]


def rules(*, mark: bool) -> list[tuple[str, list[Expression]]]:
    """Every rule with its chain, in order."""
    drop, accept = nft.verdict(nft.DROP), nft.verdict(nft.ACCEPT)
    ours = [*mark_accepted(), accept] if mark else [accept]
    redirected = nft.has_ct_status(nft.STATUS_DNAT)
    not_loopback = [
        nft.load_meta(nft.META_IIFNAME, nft.REG_1),
        nft.compare(nft.REG_1, nft.interface("lo"), equal=False),
    ]
    same_bridge = [
        nft.load_meta(nft.META_IIFNAME, nft.REG_1),
        nft.load_meta(nft.META_OIFNAME, nft.REG_2),
        nft.lookup(ICC, nft.REG_1),
    ]
    to_loopback = [nft.load_destination(nft.REG_1), nft.lookup(LOOPBACK, nft.REG_1)]
    forward = [
        [*_from(BRIDGES, inverted=True), *_to(BRIDGES, inverted=True), accept],
        [*nft.has_ct_state(nft.STATE_ESTABLISHED_RELATED), *ours],
        [*same_bridge, *ours],
        [*_from(INTERNAL), drop],
        [*_to(INTERNAL), drop],
        [*redirected, *ours],
        [*_to(BRIDGES), drop],
        ours,
    ]
    postrouting = [
        [*_to(BRIDGES), *redirected, *_source_in(LOOPBACK), nft.masquerade()],
        [*_to(BRIDGES), *redirected, *_source_in(SUBNETS), nft.masquerade()],
        [*_to(BRIDGES, inverted=True), *_source_in(MASQUERADE), nft.masquerade()],
    ]
    chains = {
        "raw_prerouting": [[*not_loopback, *to_loopback, drop]],
        "prerouting": _redirect(),
        "output": _redirect(),
        "forward": forward,
        "postrouting": postrouting,
    }
    return [(chain, rule) for chain, some in chains.items() for rule in some]


def _host_word(value: int) -> bytes:
    return value.to_bytes(4, sys.byteorder)


def mark_accepted() -> list[Expression]:
    """Put our sign on a packet."""
    return [
        nft.load_meta(nft.META_MARK, nft.REG_1),
        nft.mask(nft.REG_1, _host_word(~_MARK_MASK & 0xFFFFFFFF), xor=_host_word(FORWARD_MARK)),
        nft.set_mark(nft.REG_1),
    ]


def accept_marked() -> list[Expression]:
    """Accept what bears our sign: a rule for the chains of others."""
    return [
        nft.load_meta(nft.META_MARK, nft.REG_1),
        nft.mask(nft.REG_1, _host_word(_MARK_MASK)),
        nft.compare(nft.REG_1, _host_word(FORWARD_MARK)),
        nft.verdict(nft.ACCEPT),
    ]
