"""The firewall as a value: which tables, chains, sets and rules make networks behave.

    prerouting (raw)  what comes from outside for 127/8 is dropped: bridges have route_localnet,
                      and ports published on 127.0.0.1 are for this host alone
    admission         who may reach a published port that is not for everybody
    prerouting (nat)  for addresses of this host: (address, protocol, port), then
    output     (nat)    (protocol, port) → container address and port
    forward
                      established | same bridge with icc | not internal and redirected → accept;
                      else what goes to a bridge is dropped: other networks, direct routes, but
                      for open ports of routed networks and for networks without protection
    postrouting       redirected from 127/8 or from a container (hairpin, other network), and
                      from a container to the outside → masquerade

The rules never change, but those of admission; networks and published ports are elements of sets
and maps. IPv6 has a table of its own with the same shape, made with the first network that has it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network

from msgspec import Struct

from wharfie.formats.network import nft
from wharfie.formats.network.nft import Body, Chain, Element, Expression, Set, Table
from wharfie.model.network import Address, Block

FORWARD_MARK = 0x57000000
"""Bits of the packet mark that tell other firewalls "accepted by wharfie"."""
_MARK_MASK = 0xFF000000
_PROTOCOL_NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}
_ICMP = {nft.IPV4: 1, nft.IPV6: 58}

_NAME = (nft.TYPE_INTERFACE,)
BRIDGES = Set(name="bridges", id=1, key=_NAME)
INTERNAL = Set(name="internal", id=2, key=_NAME)
ICC = Set(name="icc", id=3, key=(nft.TYPE_INTERFACE, nft.TYPE_INTERFACE))
ROUTED = Set(name="routed", id=9, key=_NAME)
UNPROTECTED = Set(name="unprotected", id=10, key=_NAME)
ADMISSION = "admission"


class Family:
    """What differs between IPv4 and IPv6."""

    def __init__(self, number: int, address: int, loopback: str) -> None:
        self.number = number
        target = (address, nft.TYPE_SERVICE)
        self.words = 1 if number == nft.IPV4 else 4
        self.loopback_block = _block(loopback)
        self.subnets = Set(name="subnets", id=4, key=(address,), interval=True)
        self.masquerade = Set(name="masquerade", id=5, key=(address,), interval=True)
        self.loopback = Set(name="loopback", id=6, key=(address,), interval=True)
        self.published = Set(
            name="published", id=7, key=(nft.TYPE_PROTOCOL, nft.TYPE_SERVICE), data=target
        )
        self.published_on = Set(
            name="published_on",
            id=8,
            key=(address, nft.TYPE_PROTOCOL, nft.TYPE_SERVICE),
            data=target,
        )
        self.open = Set(name="open", id=11, key=(address, nft.TYPE_PROTOCOL, nft.TYPE_SERVICE))
        self.sets = (
            BRIDGES, INTERNAL, ICC, self.subnets, self.masquerade, self.loopback, self.published,
            self.published_on, ROUTED, UNPROTECTED, self.open,
        )  # fmt: skip


def _block(text: str) -> Block:
    return IPv6Network(text) if ":" in text else IPv4Network(text)


IPV4 = Family(nft.IPV4, nft.TYPE_IPV4, "127.0.0.0/8")
IPV6 = Family(nft.IPV6, nft.TYPE_IPV6, "::1/128")
FAMILIES = {4: IPV4, 6: IPV6}

CHAINS = (
    Chain(name="raw_prerouting", type="filter", hook=nft.PREROUTING, priority=-300),
    # After connection tracking, before the destination is changed.
    Chain(name=ADMISSION, type="filter", hook=nft.PREROUTING, priority=-110),
    Chain(name="prerouting", type="nat", hook=nft.PREROUTING, priority=-100),
    Chain(name="output", type="nat", hook=nft.OUTPUT, priority=-100),
    # Before the usual filter priority, so that a mark can reach the chains of others.
    Chain(name="forward", type="filter", hook=nft.FORWARD, priority=-10),
    Chain(name="postrouting", type="nat", hook=nft.POSTROUTING, priority=100),
)


class NetworkRules(Struct, frozen=True, kw_only=True):
    """What the firewall knows of a network in one family.

    Attributes:
        routed: containers are reached by their own addresses, at published ports.
        unprotected: containers are reached by their own addresses, at every port.
        direct: published ports are reached by containers' own addresses too.
    """

    bridge: str
    subnet: Block
    icc: bool = True
    internal: bool = False
    masquerade: bool = True
    routed: bool = False
    unprotected: bool = False
    direct: bool = False

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.subnet.version


class PortRule(Struct, frozen=True, kw_only=True):
    """What the firewall knows of a published port.

    Attributes:
        host_port: 0 for a port of a routed network, open at the container's own address.
        allow: from where it may be reached; empty for everywhere.
    """

    protocol: str
    host_address: Address
    host_port: int
    address: Address
    port: int
    allow: tuple[Block, ...] = ()

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.address.version


def ruleset(
    table: Table,
    networks: Iterable[NetworkRules],
    ports: Iterable[PortRule],
    *,
    mark: bool = False,
) -> list[Body]:
    """Everything of one family, in place of whatever the table held.

    Args:
        table: which table; its family says which networks and ports.
        networks: all networks.
        ports: all published ports.
        mark: put our sign on accepted packets, for a rule in somebody else's chain.
    """
    family = _family(table)
    bodies = [nft.add_table(table), nft.delete_table(table), nft.add_table(table)]
    bodies += [nft.add_set(table, set_) for set_ in family.sets]
    bodies += [nft.add_chain(table, chain) for chain in CHAINS]
    bodies += [nft.add_rule(table, chain, rule) for chain, rule in rules(family, mark=mark)]
    bodies.append(nft.add_elements(table, family.loopback.name, _prefix(family.loopback_block)))
    for network in networks:
        bodies += add_network(table, network)
    listed = list(ports)
    bodies += add_ports(table, listed)
    return bodies + admission(table, listed)[1:]


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


def admission(table: Table, ports: Sequence[PortRule]) -> list[Body]:
    """The whole chain of who may reach which port, in place of what it was."""
    family = _family(table)
    bodies = [nft.delete_rules(table, ADMISSION)]
    for port in ports:
        if port.allow:
            bodies += [
                nft.add_rule(table, ADMISSION, rule) for rule in _admission_rules(family, port)
            ]
    return bodies


def admission_size(ports: Iterable[PortRule]) -> int:
    """How many rules the chain of admission has."""
    return sum(len(port.allow) + 1 for port in ports if port.allow)


def _admission_rules(family: Family, port: PortRule) -> list[list[Expression]]:
    aimed = [
        *nft.is_destination_local(),
        nft.load_meta(nft.META_L4PROTO, nft.REG_1),
        nft.compare(nft.REG_1, bytes((_PROTOCOL_NUMBERS[port.protocol],))),
        nft.load_destination_port(nft.REG_1),
        nft.compare(nft.REG_1, port.host_port.to_bytes(2, "big")),
    ]
    if not port.host_address.is_unspecified:
        aimed += [
            nft.load_destination(nft.REG_1, family.number),
            nft.compare(nft.REG_1, port.host_address.packed),
        ]
    accepted = [
        [
            *aimed,
            nft.load_source(nft.REG_1, family.number),
            nft.mask(nft.REG_1, block.netmask.packed),
            nft.compare(nft.REG_1, block.network_address.packed),
            nft.verdict(nft.ACCEPT),
        ]
        for block in port.allow
    ]
    return [*accepted, [*aimed, nft.verdict(nft.DROP)]]


def expected_sizes(
    table: Table, networks: Iterable[NetworkRules], ports: Iterable[PortRule]
) -> dict[str, int]:
    """How many elements each set should have."""
    family = _family(table)
    sizes = dict.fromkeys((set_.name for set_ in family.sets), 0)
    sizes[family.loopback.name] = len(_prefix(family.loopback_block))
    for network in networks:
        for name, elements in _of_network(network):
            sizes[name] += len(elements)
    for name, elements in _of_ports(list(ports)):
        sizes[name] += len(elements)
    return sizes


def _family(table: Table) -> Family:
    return IPV4 if table.family == nft.IPV4 else IPV6


def _prefix(network: Block) -> list[Element]:
    size = network.max_prefixlen // 8
    elements = [Element(network.network_address.packed)]
    after = int(network.broadcast_address) + 1
    if after < 1 << network.max_prefixlen:
        elements.append(Element(after.to_bytes(size, "big"), interval_end=True))
    return elements


def _of_network(network: NetworkRules) -> list[tuple[str, list[Element]]]:
    family = FAMILIES[network.version]
    name = nft.interface(network.bridge)
    found = [(BRIDGES.name, [Element(name)]), (family.subnets.name, _prefix(network.subnet))]
    if network.internal:
        found.append((INTERNAL.name, [Element(name)]))
    if network.icc:
        found.append((ICC.name, [Element(name + name)]))
    if network.routed or network.direct:
        found.append((ROUTED.name, [Element(name)]))
    if network.unprotected:
        found.append((UNPROTECTED.name, [Element(name)]))
    if network.masquerade and not network.internal and not network.routed:
        found.append((family.masquerade.name, _prefix(network.subnet)))
    return found


def _of_ports(ports: Sequence[PortRule]) -> list[tuple[str, list[Element]]]:
    found: dict[str, list[Element]] = {}
    for port in ports:
        protocol = nft.protocol(_PROTOCOL_NUMBERS[port.protocol])
        family = FAMILIES[port.version]
        if not port.host_port:
            key = port.address.packed + protocol + nft.service(port.port)
            found.setdefault(family.open.name, []).append(Element(key))
            continue
        key = protocol + nft.service(port.host_port)
        target = port.address.packed + nft.service(port.port)
        if port.host_address.is_unspecified:
            found.setdefault(family.published.name, []).append(Element(key, target))
        else:
            element = Element(port.host_address.packed + key, target)
            found.setdefault(family.published_on.name, []).append(element)
    return list(found.items())


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


def _source_in(family: Family, set_: Set) -> list[Expression]:
    return [nft.load_source(nft.REG_1, family.number), nft.lookup(set_, nft.REG_1)]


def _aim(family: Family) -> list[Expression]:
    """Destination address, protocol and port as one key."""
    return [
        nft.load_destination(nft.word(0), family.number),
        nft.load_meta(nft.META_L4PROTO, nft.word(family.words)),
        nft.load_destination_port(nft.word(family.words + 1)),
    ]


def _redirect(family: Family) -> list[list[Expression]]:
    """To the container that published the port on this address, or on all."""
    precise = [
        *nft.is_destination_local(),
        *_aim(family),
        nft.lookup(family.published_on, nft.REG_1),
        nft.destination_nat(family.number),
    ]
    general = [
        *nft.is_destination_local(),
        nft.load_meta(nft.META_L4PROTO, nft.word(0)),
        nft.load_destination_port(nft.word(1)),
        nft.lookup(family.published, nft.REG_1),
        nft.destination_nat(family.number),
    ]
    return [precise, general]


def _forward(family: Family, *, mark: bool) -> list[list[Expression]]:
    drop, accept = nft.verdict(nft.DROP), nft.verdict(nft.ACCEPT)
    ours = [*mark_accepted(), accept] if mark else [accept]
    same_bridge = [
        nft.load_meta(nft.META_IIFNAME, nft.REG_1),
        nft.load_meta(nft.META_OIFNAME, nft.REG_2),
        nft.lookup(ICC, nft.REG_1),
    ]
    icmp = [
        nft.load_meta(nft.META_L4PROTO, nft.REG_1),
        nft.compare(nft.REG_1, bytes((_ICMP[family.number],))),
    ]
    return [
        [*_from(BRIDGES, inverted=True), *_to(BRIDGES, inverted=True), accept],
        [*nft.has_ct_state(nft.STATE_ESTABLISHED_RELATED), *ours],
        [*same_bridge, *ours],
        [*_from(INTERNAL), drop],
        [*_to(INTERNAL), drop],
        [*nft.has_ct_status(nft.STATUS_DNAT), *ours],
        [*_to(UNPROTECTED), *ours],
        [*_to(ROUTED), *icmp, *ours],
        [*_to(ROUTED), *_aim(family), nft.lookup(family.open, nft.REG_1), *ours],
        [*_to(BRIDGES), drop],
        ours,
    ]


def rules(family: Family, *, mark: bool) -> list[tuple[str, list[Expression]]]:
    """Every rule with its chain, in order; without those of admission."""
    redirected = nft.has_ct_status(nft.STATUS_DNAT)
    not_loopback = [
        nft.load_meta(nft.META_IIFNAME, nft.REG_1),
        nft.compare(nft.REG_1, nft.interface("lo"), equal=False),
    ]
    to_loopback = [
        nft.load_destination(nft.REG_1, family.number),
        nft.lookup(family.loopback, nft.REG_1),
    ]
    local, subnets = _source_in(family, family.loopback), _source_in(family, family.subnets)
    outward = _source_in(family, family.masquerade)
    postrouting = [
        [*_to(BRIDGES), *redirected, *local, nft.masquerade()],
        [*_to(BRIDGES), *redirected, *subnets, nft.masquerade()],
        [*_to(BRIDGES, inverted=True), *outward, nft.masquerade()],
    ]
    chains = {
        "raw_prerouting": [[*not_loopback, *to_loopback, nft.verdict(nft.DROP)]],
        "prerouting": _redirect(family),
        "output": _redirect(family),
        "forward": _forward(family, mark=mark),
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
