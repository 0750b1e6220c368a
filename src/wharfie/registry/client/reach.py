"""Where a registry may lead us: redirects and auth realms, checked by address.

A registry the user named may be anywhere. What *it* names may be public, or of the registry's
own kind: a registry on a private network may lead to a private network, one on this host to
this host. Link-local addresses (cloud metadata) are never followed. Source: users.md C4.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from msgspec import Struct

from wharfie.model.registry import RegistryMisbehaves
from wharfie.registry.client.settings import RegistrySettings

PUBLIC, PRIVATE, LOOPBACK, SPECIAL = "public", "private", "loopback", "link-local or reserved"
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Reach(Struct, frozen=True):
    """The check of addresses for what one registry names; compared by value.

    Attributes:
        registry: name for errors.
        kinds: what may be reached beside public addresses.
        trusted: hosts and CIDRs allowed by the operator.
    """

    registry: str
    kinds: frozenset[str]
    trusted: tuple[str, ...]

    def __call__(self, host: str, address: Address) -> None:
        """Refuse an address that is out of reach."""
        kind = kind_of(address)
        if kind == PUBLIC or kind in self.kinds:
            return
        if RegistrySettings(trusted_hosts=self.trusted).is_trusted(host, address):
            return
        raise RegistryMisbehaves(
            f"registry {self.registry} leads to {host} ({address}), a {kind} address: refused. "
            'If that is meant, list the host under "registry-trusted-hosts" in daemon.json'
        )


def reach_of(registry: str, addresses: Sequence[str], settings: RegistrySettings) -> Reach:
    """What a registry with these addresses may lead to."""
    kinds = {kind_of(ipaddress.ip_address(text.partition("%")[0])) for text in addresses}
    return Reach(registry, frozenset(kinds - {SPECIAL}), tuple(settings.trusted_hosts))


def kind_of(address: Address) -> str:
    """Public, private, loopback, or special."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return kind_of(address.ipv4_mapped)
        if address in _NAT64:
            return kind_of(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if address.is_loopback:
        return LOOPBACK
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return SPECIAL
    return PUBLIC if address.is_global else PRIVATE
