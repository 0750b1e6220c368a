"""Names of the containers of every network, and what a container may see of them. Pure.

Source: behaviours 154, 155.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from wharfie.formats.network import dns

TTL = 600

Records = list[bytes]


class Member:
    """A container in a network: its names there, and its addresses."""

    __slots__ = ("addresses", "ipv4", "ipv6", "names")

    def __init__(self, names: Sequence[str], addresses: Iterable[str]) -> None:
        self.names = [name.lower() for name in names]
        self.addresses = list(addresses)
        packed = [ipaddress.ip_address(one).packed for one in self.addresses]
        self.ipv4 = [dns.record(dns.A, one, TTL) for one in packed if len(one) == 4]
        self.ipv6 = [dns.record(dns.AAAA, one, TTL) for one in packed if len(one) == 16]


class NetworkNames:
    """Everybody in one network."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[str, Member] = {}
        self._by_name: dict[str, list[Member]] = {}
        self._by_address: dict[str, Member] = {}

    def put(self, container: str, member: Member) -> None:
        """Add somebody, or change his names or addresses."""
        self.drop(container)
        self.members[container] = member
        for name in dict.fromkeys(member.names):
            self._by_name.setdefault(name, []).append(member)
        for address in member.addresses:
            self._by_address[address] = member

    def drop(self, container: str) -> None:
        """Forget somebody; an unknown one is no error."""
        member = self.members.pop(container, None)
        if member is None:
            return
        for name in dict.fromkeys(member.names):
            left = [one for one in self._by_name[name] if one is not member]
            if left:
                self._by_name[name] = left
            else:
                del self._by_name[name]
        for address in member.addresses:
            if self._by_address.get(address) is member:
                del self._by_address[address]

    def find(self, name: str) -> list[Member]:
        """Who has this name."""
        return self._by_name.get(name, [])

    def reverse(self, address: str) -> str:
        """Full name of whoever has this address, "" for nobody."""
        member = self._by_address.get(address)
        if member is None or not member.names:
            return ""
        return f"{member.names[0]}.{self.name}".lower()


class View:
    """What one container may ask about: its networks in order, its links, its host."""

    def __init__(self, networks: list[NetworkNames], links: dict[str, str], host: Member) -> None:
        self.networks = networks
        self.links = {alias.lower(): target.lower() for alias, target in links.items()}
        self.host = host

    def resolve(self, query: dns.Query) -> Records | None:
        """Records for a question; an empty list for a known name, None for an unknown one."""
        type_ = query.type
        if type_ == dns.PTR:
            return self._reverse(query.name)
        name = query.name
        members = self._find(self.links.get(name, name)) if self.links else self._find(name)
        if not members:
            return None
        if type_ == dns.A:
            return [one for member in members for one in member.ipv4]
        if type_ == dns.AAAA:
            return [one for member in members for one in member.ipv6]
        return []

    def _find(self, name: str) -> list[Member]:
        """By name in the first network that knows it; or "name.network"."""
        for network in self.networks:
            if found := network.find(name):
                return found
        if "." in name:
            for network in self.networks:
                suffix = f".{network.name.lower()}"
                if name.endswith(suffix) and (found := network.find(name[: -len(suffix)])):
                    return found
        return [self.host] if name in self.host.names else []

    def _reverse(self, name: str) -> Records | None:
        address = dns.parse_reverse(name)
        for network in self.networks if address else ():
            if found := network.reverse(address):
                try:
                    return [dns.record(dns.PTR, dns.encode_name(found), TTL)]
                except dns.DnsFormatError:
                    return []
        return None
