"""What the firewall has to know of published ports. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from msgspec import structs

from wharfie.drivers.network.endpoints import addresses_of
from wharfie.drivers.network.firewall.ruleset import PortRule
from wharfie.model.network import Block, Endpoint, PublishedPort

_NOBODY: dict[int, Block] = {4: IPv4Network("0.0.0.0/32"), 6: IPv6Network("::/128")}
"""A block nobody is in: where only blocks of the other version are allowed."""


def port_rules(
    ports: Sequence[PublishedPort], target: Endpoint, *, direct: bool = False
) -> list[PortRule]:
    """Rules that redirect published ports to one endpoint, in the families it has.

    With `direct` they are open at the endpoint's own addresses too, unless they are for some only.
    """
    addresses = {one.version: one for one in addresses_of(target)}
    made = []
    for port in ports:
        host = ip_address(port.host_ip)
        address = addresses.get(host.version)
        if address is None or port.relayed:
            continue
        blocks: list[Block] = [ip_network(text) for text in port.allow_from]
        allowed: tuple[Block, ...] = tuple(one for one in blocks if one.version == host.version)
        if blocks and not allowed:
            allowed = (_NOBODY[host.version],)
        made.append(
            PortRule(
                protocol=port.protocol,
                host_address=host,
                host_port=port.host_port,
                address=address,
                port=port.container_port,
                allow=allowed,
            )
        )
    if direct:
        opened = {
            (one.protocol, one.version, one.port): structs.replace(one, host_port=0)
            for one in made
            if one.host_port and not one.allow
        }
        made += opened.values()
    return made
