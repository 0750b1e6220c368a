"""Who serves published ports: the kernel, a program, or nobody but the administrator's rules."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from msgspec import Struct

from wharfie.drivers.network.publishing.wishes import PROTOCOLS
from wharfie.model.network import Address

_DISABLED_IPV6 = "/proc/sys/net/ipv6/conf/lo/disable_ipv6"


class Service(Struct, frozen=True):
    """Who serves published ports.

    Attributes:
        redirected: families in which the kernel may redirect.
        relays: a program serves what the kernel does not.
    """

    redirected: tuple[int, ...] = (4, 6)
    relays: bool = True

    def is_relayed(self, address: Address, versions: Sequence[int]) -> bool:
        """Whether a program serves a host address, for a container with these families."""
        return self.relays and not self._is_redirected(address, versions)

    def is_possible(self, address: Address, versions: Sequence[int]) -> bool:
        """Whether a port can be held there; that it is served may be left to the administrator."""
        return self.relays or address.version in versions

    def _is_redirected(self, address: Address, versions: Sequence[int]) -> bool:
        if address.version == 6 and address.is_loopback:
            return False
        return address.version in versions and address.version in self.redirected


def has_ipv6() -> bool:
    """Whether this host has IPv6, at least on loopback."""
    try:
        with open(_DISABLED_IPV6, encoding="ascii") as file:
            return file.read().strip() == "0"
    except OSError:
        return False


def has_sctp() -> bool:
    """Whether programs of this host can speak SCTP; the kernel can redirect it all the same."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, PROTOCOLS["sctp"]).close()
    except OSError:
        return False
    return True
