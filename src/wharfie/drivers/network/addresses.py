"""Address management: subnets of networks, addresses of endpoints. No address is given twice.

Addresses are given in turn, so one that was freed is not the next to be given again. A freed
address stays in quarantine until its interface is known to be gone.

    pool 172.18.0.0/16 ── range 172.18.0.0/24 ── gateway, auxiliary, leased, quarantined
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from wharfie.drivers.network.settings import AddressPool
from wharfie.model.errors import Conflict, Forbidden, InvalidArgument
from wharfie.model.ids import NetworkId
from wharfie.model.network import IPAM, IPAMConfig

OVERLAP = "Pool overlaps with other one on this address space"
EXHAUSTED = "all predefined address pools have been fully subnetted"


class AddressInUse(Conflict):
    """The requested address belongs to somebody else."""

    def __init__(self) -> None:
        super().__init__("Address already in use")


class Subnet:
    """The addresses of one network."""

    def __init__(
        self,
        subnet: IPv4Network,
        *,
        range_: IPv4Network | None = None,
        gateway: IPv4Address | None = None,
        auxiliary: Iterable[IPv4Address] = (),
    ) -> None:
        self.subnet = subnet
        self.range = range_ or subnet
        self._reserved = set(auxiliary)
        if subnet.prefixlen < 31:
            self._reserved |= {subnet.network_address, subnet.broadcast_address}
        self._used: set[IPv4Address] = set()
        self._next = self.range.network_address
        self.gateway = gateway or self._first_free()
        if self.gateway in self._reserved:
            raise InvalidArgument(f"gateway {self.gateway} is a reserved address of {subnet}")
        self._reserved.add(self.gateway)

    def give(self) -> IPv4Address | None:
        """The next free address, None when there is none."""
        first, count = int(self.range.network_address), self.range.num_addresses
        offset = int(self._next) - first
        for step in range(count):
            address = IPv4Address(first + (offset + step) % count)
            if address not in self._reserved and address not in self._used:
                self._used.add(address)
                self._next = IPv4Address(first + (offset + step + 1) % count)
                return address
        return None

    def take(self, address: IPv4Address) -> bool:
        """Take a certain address; False when it is taken or reserved."""
        if address in self._used or address in self._reserved:
            return False
        self._used.add(address)
        return True

    def free(self, address: IPv4Address) -> None:
        """Give an address back; one that was never taken is no error."""
        self._used.discard(address)

    def is_used(self, address: IPv4Address) -> bool:
        """Tell whether somebody holds the address."""
        return address in self._used

    def _first_free(self) -> IPv4Address:
        for address in self.range:
            if address not in self._reserved:
                return address
        raise InvalidArgument(f"no address for a gateway in {self.range}")


class AddressBook:
    """All subnets and addresses of this engine; safe to use from several threads."""

    def __init__(self, pools: list[AddressPool]) -> None:
        self._pools = pools
        self._subnets: dict[NetworkId, Subnet] = {}
        self._lock = threading.Lock()

    def claim(self, network_id: NetworkId, ipam: IPAM, occupied: Iterable[IPv4Network]) -> IPAM:
        """Reserve a network's subnet, the wished one or a free one of the pools.

        Args:
            network_id: for whom.
            ipam: wishes; without a subnet, one is chosen.
            occupied: what the host's routes reach already; avoided when choosing, but not
                forbidden when wished.

        Returns:
            `ipam` with subnet and gateway filled in.

        Raises:
            InvalidArgument: malformed wishes, or no free subnet.
            Forbidden: the wished subnet overlaps another network's.
        """
        configs = ipam.config or []
        if len(configs) > 1:
            raise Forbidden("bridge driver doesn't support multiple subnets")
        wish = configs[0] if configs else IPAMConfig()
        with self._lock:
            if wish.subnet:
                subnet = parse_network(wish.subnet)
                if any(subnet.overlaps(other.subnet) for other in self._subnets.values()):
                    raise Forbidden(OVERLAP)
            else:
                subnet = self._choose(list(occupied))
            book = Subnet(
                subnet,
                range_=parse_network(wish.ip_range) if wish.ip_range else None,
                gateway=parse_address(wish.gateway) if wish.gateway else None,
                auxiliary=[parse_address(one) for one in (wish.aux_addresses or {}).values()],
            )
            self._subnets[network_id] = book
        config = IPAMConfig(
            subnet=str(subnet),
            ip_range=wish.ip_range,
            gateway=str(book.gateway),
            aux_addresses=wish.aux_addresses,
        )
        return IPAM(driver=ipam.driver, options=ipam.options, config=[config])

    def drop(self, network_id: NetworkId) -> None:
        """Give a network's subnet back; an unknown one is no error."""
        with self._lock:
            self._subnets.pop(network_id, None)

    def lease(self, network_id: NetworkId, wished: str = "") -> IPv4Address:
        """Take an address of a network, the wished one or the next.

        Raises:
            InvalidArgument: the wish is no address, or not in the subnet.
            AddressInUse: the wished address is taken.
            Conflict: no address is left, or the network is gone.
        """
        with self._lock:
            book = self._subnets.get(network_id)
            if book is None:
                raise Conflict(f"network {network_id} has no addresses")
            if not wished:
                given = book.give()
                if given is None:
                    raise Conflict("no available IPv4 addresses on this network's address pools")
                return given
            address = parse_address(wished)
            if address not in book.subnet:
                raise InvalidArgument(f"no configured subnet contains IP address {wished}")
            if not book.take(address):
                raise AddressInUse
            return address

    def free(self, network_id: NetworkId, address: IPv4Address) -> None:
        """Give an address back; unknown ones are no error."""
        with self._lock:
            book = self._subnets.get(network_id)
            if book is not None:
                book.free(address)

    def subnet(self, network_id: NetworkId) -> IPv4Network:
        """A network's subnet; Conflict when it has none."""
        with self._lock:
            book = self._subnets.get(network_id)
        if book is None:
            raise Conflict(f"network {network_id} has no addresses")
        return book.subnet

    def gateway(self, network_id: NetworkId) -> IPv4Address:
        """A network's gateway; Conflict when it has none."""
        with self._lock:
            book = self._subnets.get(network_id)
        if book is None:
            raise Conflict(f"network {network_id} has no addresses")
        return book.gateway

    def _choose(self, occupied: list[IPv4Network]) -> IPv4Network:
        taken = [*occupied, *(book.subnet for book in self._subnets.values())]
        for pool in self._pools:
            for candidate in pool.base.subnets(new_prefix=pool.size):
                if not any(candidate.overlaps(other) for other in taken):
                    return candidate
        raise InvalidArgument(EXHAUSTED)


def parse_network(value: str) -> IPv4Network:
    """Parse "10.0.0.0/24" without host bits.

    Raises:
        InvalidArgument: another form.
    """
    try:
        return IPv4Network(value)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise InvalidArgument(f"invalid subnet {value}: invalid CIDR address") from None


def parse_address(value: str) -> IPv4Address:
    """Parse "10.0.0.1".

    Raises:
        InvalidArgument: another form.
    """
    try:
        return IPv4Address(value)
    except AddressValueError:
        raise InvalidArgument(f"invalid IP address: {value}") from None
