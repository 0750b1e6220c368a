"""Address management: subnets of networks, addresses of endpoints. No address is given twice.

Addresses are given in turn, so one that was freed is not the next to be given again. A freed
address stays in quarantine until its interface is known to be gone.

    pool 172.18.0.0/16 ── range 172.18.0.0/24 ── gateway, auxiliary, leased, quarantined
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence
from ipaddress import IPv6Network, ip_address, ip_network

from wharfie.drivers.network.settings import AddressPool
from wharfie.model.errors import Conflict, Forbidden, InvalidArgument
from wharfie.model.ids import NetworkId
from wharfie.model.network import IPAM, Address, Block, IPAMConfig

OVERLAP = "invalid pool request: Pool overlaps with other one on this address space"
EXHAUSTED = "all predefined address pools have been fully subnetted"


class AddressInUse(Conflict):
    """The requested address belongs to somebody else."""

    def __init__(self) -> None:
        super().__init__("Address already in use")


class Subnet:
    """The addresses of one block of a network."""

    def __init__(
        self,
        subnet: Block,
        *,
        range_: Block | None = None,
        gateway: Address | None = None,
        auxiliary: Iterable[Address] = (),
    ) -> None:
        self.subnet = subnet
        self.range = range_ or subnet
        self._reserved = set(auxiliary)
        if subnet.prefixlen < subnet.max_prefixlen - 1:
            self._reserved.add(subnet.network_address)
            if subnet.version == 4:
                self._reserved.add(subnet.broadcast_address)
        self._used: set[Address] = set()
        self._next = self.range.network_address
        self.gateway = gateway or self._first_free()
        if self.gateway in self._reserved:
            raise InvalidArgument(f"gateway {self.gateway} is a reserved address of {subnet}")
        self._reserved.add(self.gateway)

    def give(self) -> Address | None:
        """The next free address, None when there is none."""
        first, count = self.range.network_address, self.range.num_addresses
        offset = int(self._next) - int(first)
        # No more than are taken can be in the way.
        for step in range(min(count, len(self._used) + len(self._reserved) + 1)):
            address = first + (offset + step) % count
            if address not in self._reserved and address not in self._used:
                self._used.add(address)
                self._next = first + (offset + step + 1) % count
                return address
        return None

    def take(self, address: Address) -> bool:
        """Take a certain address; False when it is taken or reserved."""
        if address in self._used or address in self._reserved:
            return False
        self._used.add(address)
        return True

    def free(self, address: Address) -> None:
        """Give an address back; one that was never taken is no error."""
        self._used.discard(address)

    def is_used(self, address: Address) -> bool:
        """Tell whether somebody holds the address."""
        return address in self._used

    def _first_free(self) -> Address:
        for address in self.range:
            if address not in self._reserved:
                return address
        raise InvalidArgument(f"no address for a gateway in {self.range}")


class AddressBook:
    """All subnets and addresses of this engine; safe to use from several threads."""

    def __init__(self, pools: list[AddressPool], *, seed: str = "wharfie") -> None:
        self._pools = pools
        # Source: RFC 4193 section 3.2, a locally assigned prefix that is this host's alone.
        unique = hashlib.sha256(seed.encode()).digest()[:5]
        self._local = IPv6Network((b"\xfd" + unique + bytes(10), 48))
        self._subnets: dict[NetworkId, list[Subnet]] = {}
        self._lock = threading.Lock()

    def claim(
        self,
        network_id: NetworkId,
        ipam: IPAM,
        occupied: Iterable[Block],
        *,
        versions: Sequence[int] = (4,),
        several: bool = False,
        shared: bool = False,
    ) -> IPAM:
        """Reserve a network's subnets, the wished ones or free ones of the pools.

        Args:
            network_id: for whom.
            ipam: wishes; of a version without a subnet, one is chosen. Those of a version
                that is not in `versions` are kept as they are.
            occupied: what the host's routes reach already; avoided when choosing, but not
                forbidden when wished.
            versions: 4, 6 or both.
            several: more than one subnet of a version is allowed.
            shared: the subnets are of a network outside, where others have some too.

        Returns:
            `ipam` with chosen subnets and their gateways filled in.

        Raises:
            InvalidArgument: malformed wishes, or no free subnet.
            Forbidden: the wished subnet overlaps another network's.
        """
        wishes = [(one, parse_network(one.subnet) if one.subnet else None)
                  for one in ipam.config or []]  # fmt: skip
        for version in versions:
            of_version = [one for one in wishes if _version(*one) == version]
            if not of_version:
                wishes.append((IPAMConfig(), None) if version == 4 else (_ANY_IPV6, None))
            elif len(of_version) > 1 and not several:
                raise Forbidden("bridge driver doesn't support multiple subnets")
        configs: list[IPAMConfig] = []
        with self._lock:
            made: list[Subnet] = []
            for wish, wished in wishes:
                if _version(wish, wished) not in versions:
                    configs.append(wish)  # said without enabling IPv6: told, not used
                    continue
                taken = [one.subnet for some in self._subnets.values() for one in some]
                taken += [one.subnet for one in made]
                if wished is None:
                    subnet = self._choose(_version(wish, None), [*occupied, *taken])
                elif not shared and any(_overlap(wished, other) for other in taken):
                    raise Forbidden(OVERLAP)
                else:
                    subnet = wished
                book = _subnet(subnet, wish)
                made.append(book)
                configs.append(
                    IPAMConfig(
                        subnet=str(subnet),
                        ip_range=wish.ip_range,
                        # Who asked for a subnet is shown what was asked for, as by Docker.
                        gateway=wish.gateway if wished is not None else str(book.gateway),
                        aux_addresses=wish.aux_addresses,
                    )
                )
            self._subnets[network_id] = made
        return IPAM(driver=ipam.driver, options=ipam.options, config=configs)

    def drop(self, network_id: NetworkId) -> None:
        """Give a network's subnets back; an unknown one is no error."""
        with self._lock:
            self._subnets.pop(network_id, None)

    def lease(self, network_id: NetworkId, wished: str = "", *, version: int = 4) -> Address:
        """Take an address of a network, the wished one or the next.

        Raises:
            InvalidArgument: the wish is no address, or not in a subnet.
            AddressInUse: the wished address is taken.
            Conflict: no address is left, or the network is gone.
        """
        with self._lock:
            books = self._of(network_id, version)
            if not wished:
                for book in books:
                    given = book.give()
                    if given is not None:
                        return given
                raise Conflict(
                    f"no available IPv{version} addresses on this network's address pools"
                )
            address = parse_address(wished)
            for book in books:
                if address in book.subnet:
                    if not book.take(address):
                        raise AddressInUse
                    return address
            raise InvalidArgument(f"no configured subnet contains IP address {wished}")

    def free(self, network_id: NetworkId, address: Address) -> None:
        """Give an address back; unknown ones are no error."""
        with self._lock:
            for book in self._subnets.get(network_id, ()):
                book.free(address)

    def subnets(self, network_id: NetworkId, version: int = 4) -> list[Subnet]:
        """A network's subnets of a version, none when it has none."""
        with self._lock:
            return [
                one for one in self._subnets.get(network_id, ()) if one.subnet.version == version
            ]

    def subnet(self, network_id: NetworkId) -> Block:
        """A network's first IPv4 subnet; Conflict when it has none."""
        with self._lock:
            return self._of(network_id, 4)[0].subnet

    def gateway(self, network_id: NetworkId) -> Address:
        """A network's gateway; Conflict when it has none."""
        with self._lock:
            return self._of(network_id, 4)[0].gateway

    def _of(self, network_id: NetworkId, version: int) -> list[Subnet]:
        found = [one for one in self._subnets.get(network_id, ()) if one.subnet.version == version]
        if not found:
            raise Conflict(f"network {network_id} has no IPv{version} addresses")
        return found

    def _choose(self, version: int, taken: list[Block]) -> Block:
        pools = [pool for pool in self._pools if pool.base.version == version]
        if version == 6 and not pools:
            pools = [AddressPool(self._local, 64)]
        for pool in pools:
            for candidate in pool.base.subnets(new_prefix=pool.size):
                if not any(_overlap(candidate, other) for other in taken):
                    return candidate
        raise InvalidArgument(EXHAUSTED)


_ANY_IPV6 = IPAMConfig(gateway="::")


def _version(wish: IPAMConfig, subnet: Block | None) -> int:
    if subnet is not None:
        return subnet.version
    return 6 if ":" in wish.gateway else 4


def _subnet(subnet: Block, wish: IPAMConfig) -> Subnet:
    gateway = parse_address(wish.gateway) if wish.gateway not in ("", "::") else None
    return Subnet(
        subnet,
        range_=parse_network(wish.ip_range) if wish.ip_range else None,
        gateway=gateway,
        auxiliary=[parse_address(one) for one in (wish.aux_addresses or {}).values()],
    )


def _overlap(one: Block, other: Block) -> bool:
    return one.version == other.version and one.overlaps(other)


def parse_network(value: str) -> Block:
    """Parse "10.0.0.0/24" or "fd00::/64" without host bits.

    Raises:
        InvalidArgument: another form.
    """
    try:
        return ip_network(value)
    except ValueError:
        raise InvalidArgument(f"invalid subnet {value}: invalid CIDR address") from None


def parse_address(value: str) -> Address:
    """Parse "10.0.0.1" or "fd00::1".

    Raises:
        InvalidArgument: another form.
    """
    try:
        return ip_address(value)
    except ValueError:
        raise InvalidArgument(f"invalid IP address: {value}") from None
