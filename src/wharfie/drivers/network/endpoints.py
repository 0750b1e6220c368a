"""Endpoints: one veth pair between a sandbox and a bridge, with its address and route."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from msgspec import Struct

from wharfie.drivers.network.addresses import AddressBook
from wharfie.drivers.network.departures import Departures
from wharfie.drivers.network.links import HostLinks
from wharfie.drivers.network.options import BridgeOptions
from wharfie.drivers.network.ruleset import NetworkRules
from wharfie.drivers.network.sandbox import FIRST_INDEX, BridgePort, SandboxFactory, Veth
from wharfie.formats.network import rtnetlink
from wharfie.formats.network.netlink import NetlinkFormatError
from wharfie.kernel.netlink import EXISTS, GONE, NetlinkSocket
from wharfie.model.errors import Conflict, InvalidArgument
from wharfie.model.ids import EndpointId, generate_id
from wharfie.model.network import Endpoint, EndpointSettings, Network


class BridgeNetwork(Struct, frozen=True):
    """A network as it stands on this host: record, options, bridge and subnet."""

    record: Network
    options: BridgeOptions
    index: int
    subnet: IPv4Network
    gateway: IPv4Address

    @property
    def port(self) -> BridgePort:
        """How outer ends are ports of the bridge."""
        return BridgePort(self.index, self.options.icc, self.options.mtu)

    @property
    def rules(self) -> NetworkRules:
        """What the firewall has to know."""
        return NetworkRules(
            bridge=self.options.bridge,
            subnet=self.subnet,
            icc=self.options.icc,
            internal=self.record.internal,
            masquerade=self.options.masquerade,
        )


class EndpointMaker:
    """Makes and removes endpoints; safe to use from several threads."""

    def __init__(
        self,
        links: HostLinks,
        book: AddressBook,
        factory: SandboxFactory,
        departures: Departures,
    ) -> None:
        self._links = links
        self._book = book
        self._factory = factory
        self._departures = departures

    def make(
        self,
        netlink: NetlinkSocket,
        network: BridgeNetwork,
        settings: EndpointSettings,
        *,
        position: int | None,
        spare: Veth | None = None,
        default_route: bool,
    ) -> Endpoint:
        """Connect a sandbox to a network.

        Args:
            netlink: a socket inside the sandbox.
            network: which network.
            settings: wished address and hardware address.
            position: number of the interface in a new sandbox; None finds a free name in a
                running one.
            spare: a veth pair that is there already, for the first interface.
            default_route: send what is for the outside this way.

        Raises:
            Conflict: the address is taken, or none is left.
            InvalidArgument: a malformed wish.
            OSError: the kernel refused; nothing stays but the sandbox's end of a pair that goes
                with the sandbox.
        """
        wished = parse_mac(settings.mac_address)
        address = self._lease(network, settings)
        mac = wished or _mac_of(address)
        veth: Veth | None = None
        try:
            veth = spare or self._add_veth(netlink, network, position, mac)
            self._factory.attach(veth, network.port)
            route = network.gateway if default_route and not network.record.internal else None
            prefix = network.options.prefix
            name = veth.inside if position is None else f"{prefix}{position}"
            self._configure(
                netlink, veth, network, name=name, mac=mac, address=address, route=route
            )
        except OSError:
            if veth is None or position is None:
                self._links.delete([veth.outside] if veth else [])
                self._book.free(network.record.id, address)
            else:
                self._departures.add([_endpoint(network, veth, address)])
            raise
        veth.mac = mac
        return _endpoint(network, veth, address, settings.dns_names or [])

    def put_back(
        self, netlink: NetlinkSocket, network: BridgeNetwork, endpoint: Endpoint, *, route: bool
    ) -> Endpoint:
        """Make an endpoint anew that is recorded, but whose interface is gone."""
        veth = self._factory.add_veth(
            netlink, endpoint.interface, index=0, mac=endpoint.mac_address
        )
        self._factory.attach(veth, network.port)
        self._configure(
            netlink,
            veth,
            network,
            name=veth.inside,
            mac="",
            address=IPv4Address(endpoint.address),
            route=network.gateway if route and not network.record.internal else None,
        )
        return Endpoint(
            id=endpoint.id,
            network_id=endpoint.network_id,
            interface=endpoint.interface,
            host_interface=veth.outside,
            mac_address=veth.mac,
            address=endpoint.address,
            prefix=endpoint.prefix,
            gateway=endpoint.gateway,
            names=endpoint.names,
        )

    def remove(self, endpoint: Endpoint) -> None:
        """Take an endpoint out of a running sandbox, at once."""
        if endpoint.host_interface:
            self._links.delete([endpoint.host_interface])
        if endpoint.address:
            self._book.free(endpoint.network_id, IPv4Address(endpoint.address))

    def route(self, netlink: NetlinkSocket, endpoint: Endpoint) -> None:
        """Let a running sandbox reach the outside through an endpoint."""
        answers = netlink.run([rtnetlink.get_link(endpoint.interface)], ignore=GONE)
        for answer in answers:
            index = rtnetlink.parse_link(answer).index
            route = rtnetlink.add_default_route(IPv4Address(endpoint.gateway), index)
            netlink.run([route], ignore=EXISTS)

    def _lease(self, network: BridgeNetwork, settings: EndpointSettings) -> IPv4Address:
        wished = settings.ipam_config.ipv4_address if settings.ipam_config else ""
        network_id = network.record.id
        try:
            return self._book.lease(network_id, wished)
        except Conflict:
            address = IPv4Address(wished) if wished else None
            if not self._departures.settle(network_id, address):
                raise
            return self._book.lease(network_id, wished)

    def _add_veth(
        self, netlink: NetlinkSocket, network: BridgeNetwork, position: int | None, mac: str
    ) -> Veth:
        prefix = network.options.prefix
        if position is not None:
            return self._factory.add_veth(
                netlink, f"{prefix}{position}", index=FIRST_INDEX + position, mac=mac
            )
        names = {rtnetlink.parse_link(one).name for one in netlink.dump(rtnetlink.list_links())}
        free = next(number for number in range(len(names) + 1) if f"{prefix}{number}" not in names)
        return self._factory.add_veth(netlink, f"{prefix}{free}", index=0, mac=mac)

    def _configure(
        self,
        netlink: NetlinkSocket,
        veth: Veth,
        network: BridgeNetwork,
        *,
        name: str,
        mac: str,
        address: IPv4Address,
        route: IPv4Address | None,
    ) -> None:
        bodies = []
        if veth.inside != name:
            bodies += [rtnetlink.set_down(veth.index), rtnetlink.rename(veth.index, name)]
            veth.inside, veth.is_up = name, False
        if network.options.mtu:
            bodies.append(rtnetlink.set_mtu(veth.inside, network.options.mtu))
        if mac and mac != veth.mac:
            bodies.append(rtnetlink.set_mac(veth.index, mac))
        bodies.append(rtnetlink.add_address(veth.index, address, network.subnet.prefixlen))
        if not veth.is_up:
            bodies.append(rtnetlink.set_up(veth.index))
        if route is not None:
            bodies.append(rtnetlink.add_default_route(route, veth.index))
        netlink.run(bodies)


def gateway_endpoint(endpoints: Sequence[Endpoint]) -> Endpoint | None:
    """The endpoint through which the outside is reached: the first that has a gateway."""
    return next((endpoint for endpoint in endpoints if endpoint.gateway), None)


def parse_mac(value: str) -> str:
    """A wished hardware address in the kernel's spelling, "" for none.

    Raises:
        InvalidArgument: no unicast hardware address.
    """
    if not value:
        return ""
    try:
        packed = rtnetlink.pack_mac(value.replace("-", ":"))
    except NetlinkFormatError:
        raise InvalidArgument(f"invalid MAC address: {value}") from None
    if packed[0] & 1 or not any(packed):
        raise InvalidArgument(f"invalid MAC address: {value}")
    return packed.hex(":")


def _mac_of(address: IPv4Address) -> str:
    """The hardware address of an IPv4 address: whoever has it next is known to neighbours."""
    return b"".join((b"\x02\x42", address.packed)).hex(":")


def _endpoint(
    network: BridgeNetwork, veth: Veth, address: IPv4Address, names: Sequence[str] = ()
) -> Endpoint:
    return Endpoint(
        id=EndpointId(generate_id()),
        network_id=network.record.id,
        interface=veth.inside,
        host_interface=veth.outside,
        mac_address=veth.mac,
        address=str(address),
        prefix=network.subnet.prefixlen,
        gateway="" if network.record.internal else str(network.gateway),
        names=list(names),
    )
