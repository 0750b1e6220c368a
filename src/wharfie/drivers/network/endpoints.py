"""Endpoints: one veth pair between a sandbox and a bridge, with its address and route."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from ipaddress import ip_address

from msgspec import Struct, field, structs

from wharfie.drivers.network.addresses import AddressBook
from wharfie.drivers.network.departures import Departures
from wharfie.drivers.network.firewall.ruleset import NetworkRules
from wharfie.drivers.network.links import HostLinks, enable_ipv6
from wharfie.drivers.network.options import BridgeOptions, interface_name
from wharfie.drivers.network.remote import RemoteNetwork
from wharfie.drivers.network.sandbox import FIRST_INDEX, BridgePort, SandboxFactory, Veth
from wharfie.drivers.network.sublinks import SublinkOptions, create_sublink
from wharfie.formats.network import rtnetlink
from wharfie.formats.network.netlink import NetlinkFormatError
from wharfie.formats.network.nft import Body
from wharfie.kernel import netns
from wharfie.kernel.netlink import EXISTS, GONE, NetlinkSocket
from wharfie.model.errors import Conflict, EngineError, Internal, InvalidArgument
from wharfie.model.ids import EndpointId, generate_id
from wharfie.model.network import (
    Address,
    Block,
    Endpoint,
    EndpointIPAMConfig,
    EndpointSettings,
    Network,
)


class Side(Struct, frozen=True):
    """A network's block of one family: the bridge's own address, and containers' way outside."""

    subnet: Block
    own: Address
    gateway: Address

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.subnet.version


class BridgeNetwork(Struct, frozen=True):
    """A network as it stands on this host: record, options, bridge, and IPv4 and IPv6 blocks."""

    record: Network
    options: BridgeOptions
    index: int
    sides: tuple[Side, ...]
    sublink: SublinkOptions | None = None
    direct: bool = False
    remote: RemoteNetwork | None = None

    @property
    def port(self) -> BridgePort:
        """How outer ends are ports of the bridge."""
        return BridgePort(self.index, self.options.icc, self.options.mtu)

    @property
    def rules(self) -> list[NetworkRules]:
        """What the firewall has to know; nothing of traffic that does not pass it."""
        if self.sublink is not None or self.remote is not None:
            return []
        options = self.options
        return [
            NetworkRules(
                bridge=options.bridge,
                subnet=side.subnet,
                icc=options.icc,
                internal=self.record.internal,
                masquerade=options.masquerade,
                routed=options.mode(side.version) == "routed",
                unprotected=options.mode(side.version) == "nat-unprotected",
                direct=self.direct,
            )
            for side in self.sides
        ]

    @property
    def has_gateway(self) -> bool:
        """Whether containers reach the outside through it."""
        return not self.record.internal


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
        namespace: int,
        position: int | None,
        spare: Veth | None = None,
        default_route: bool,
    ) -> Endpoint:
        """Connect a sandbox to a network.

        Args:
            netlink: a socket inside the sandbox.
            network: which network.
            settings: wished addresses and hardware address.
            namespace: descriptor of the sandbox.
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
        called = interface_name(settings)
        addresses = self._lease(network, settings)
        mac = wished or _mac_of(addresses)
        veth: Veth | None = None
        endpoint_id = EndpointId(generate_id())
        gateways: dict[int, str] | None = None
        try:
            if network.remote is not None:
                veth, gateways = self._add_remote(
                    netlink,
                    network,
                    namespace=namespace,
                    endpoint_id=endpoint_id,
                    addresses=addresses,
                    mac=wished,
                    position=position,
                )
                mac = veth.mac
            elif network.sublink is not None:
                veth = self._add_sublink(netlink, network, namespace, position, wished)
                mac = veth.mac
            else:
                veth = spare or self._add_veth(netlink, network, position, mac)
                self._factory.attach(veth, network.port)
            plan = _Plan(
                network,
                name=called or self._name_of(veth, network, position),
                mac=mac,
                addresses=addresses,
                default_route=default_route,
                gateways=gateways,
            )
            self._configure(netlink, namespace, veth, plan)
        except (OSError, EngineError) as error:
            if veth is not None and network.remote is not None:
                network.remote.leave(endpoint_id)
            if veth is None or position is None:
                self._links.delete([veth.outside] if veth and veth.outside else [])
                for address in addresses:
                    self._book.free(network.record.id, address)
            else:
                self._departures.add([_endpoint(network, veth, addresses, endpoint_id)])
            if isinstance(error, OSError) and called and error.errno == errno.EEXIST:
                raise Conflict(f'error renaming interface to "{called}": file exists') from error
            raise
        veth.mac = mac or veth.mac
        made = _endpoint(network, veth, addresses, endpoint_id, settings.dns_names or [])
        if gateways is not None:
            made = structs.replace(made, gateway=gateways[4], ipv6_gateway=gateways[6])
        return made

    def _name_of(self, veth: Veth, network: BridgeNetwork, position: int | None) -> str:
        if position is None or network.remote is not None or network.sublink is not None:
            return veth.inside
        return f"{network.options.prefix}{position}"

    def _add_remote(
        self,
        netlink: NetlinkSocket,
        network: BridgeNetwork,
        *,
        namespace: int,
        endpoint_id: EndpointId,
        addresses: Sequence[Address],
        mac: str,
        position: int | None,
    ) -> tuple[Veth, dict[int, str]]:
        """Let a plugin make an interface on the host, and take that inside."""
        assert network.remote is not None
        given = [(one, _side_of(network, one).subnet.prefixlen) for one in addresses]
        sandbox = f"/proc/{os.getpid()}/fd/{namespace}"
        joined = network.remote.join(endpoint_id, given, mac, sandbox)
        try:
            link = self._links.find(joined.interface)
            if link is None:
                raise Internal(f"network plugin: there is no interface {joined.interface}")
            names = {rtnetlink.parse_link(one).name for one in netlink.dump(rtnetlink.list_links())}
            if position == 0 and "eth0" in names:
                # The spare pair of a sandbox made in advance is not needed.
                netlink.run([rtnetlink.delete_link("eth0")])
                names.discard("eth0")
            inside = next(name for number in range(len(names) + 1)
                          if (name := f"{joined.prefix}{number}") not in names)  # fmt: skip
            self._links.netlink.run(
                [
                    rtnetlink.set_down(link.index),
                    rtnetlink.move(link.index, namespace=namespace, name=inside),
                ]
            )
            found = rtnetlink.parse_link(netlink.run([rtnetlink.get_link(inside)])[0])
        except (OSError, EngineError):
            network.remote.leave(endpoint_id)
            raise
        return Veth(outside="", index=found.index, inside=inside, mac=found.mac), joined.gateways

    def put_back(
        self,
        netlink: NetlinkSocket,
        network: BridgeNetwork,
        endpoint: Endpoint,
        *,
        namespace: int,
        route: bool,
    ) -> Endpoint:
        """Make an endpoint anew that is recorded, but whose interface is gone."""
        veth = self._factory.add_veth(
            netlink, endpoint.interface, index=0, mac=endpoint.mac_address
        )
        self._factory.attach(veth, network.port)
        plan = _Plan(
            network,
            name=veth.inside,
            mac="",
            addresses=addresses_of(endpoint),
            default_route=route,
        )
        self._configure(netlink, namespace, veth, plan)
        return structs.replace(endpoint, host_interface=veth.outside, mac_address=veth.mac)

    def remove(self, endpoint: Endpoint) -> None:
        """Take an endpoint out of a running sandbox, at once."""
        if endpoint.host_interface:
            self._links.delete([endpoint.host_interface])
        for address in addresses_of(endpoint):
            self._book.free(endpoint.network_id, address)

    def route(self, netlink: NetlinkSocket, endpoint: Endpoint) -> None:
        """Let a running sandbox reach the outside through an endpoint."""
        answers = netlink.run([rtnetlink.get_link(endpoint.interface)], ignore=GONE)
        for answer in answers:
            index = rtnetlink.parse_link(answer).index
            for gateway in (endpoint.gateway, endpoint.ipv6_gateway):
                if gateway:
                    route = rtnetlink.add_default_route(ip_address(gateway), index)
                    netlink.run([route], ignore=EXISTS)

    def _lease(self, network: BridgeNetwork, settings: EndpointSettings) -> list[Address]:
        ipam = settings.ipam_config or EndpointIPAMConfig()
        wishes = {4: ipam.ipv4_address, 6: ipam.ipv6_address}
        leased: list[Address] = []
        try:
            for side in network.sides:
                address = self._lease_one(network, wishes[side.version], side.version)
                leased.append(address)
        except EngineError:
            for address in leased:
                self._book.free(network.record.id, address)
            raise
        return leased

    def _lease_one(self, network: BridgeNetwork, wished: str, version: int) -> Address:
        network_id = network.record.id
        try:
            return self._book.lease(network_id, wished, version=version)
        except Conflict:
            address = ip_address(wished) if wished else None
            if not self._departures.settle(network_id, address):
                raise
            return self._book.lease(network_id, wished, version=version)

    def _add_sublink(
        self,
        netlink: NetlinkSocket,
        network: BridgeNetwork,
        namespace: int,
        position: int | None,
        mac: str,
    ) -> Veth:
        assert network.sublink is not None
        names = {rtnetlink.parse_link(one).name for one in netlink.dump(rtnetlink.list_links())}
        prefix = network.options.prefix
        first = 0 if position is None else position
        if f"{prefix}{first}" in names and position is not None:
            # The spare pair of a sandbox made in advance is not needed.
            netlink.run([rtnetlink.delete_link(f"{prefix}{first}")])
            names.discard(f"{prefix}{first}")
        number = next(one for one in range(first, first + 1 + len(names) + 1)
                      if f"{prefix}{one}" not in names)  # fmt: skip
        inside = f"{prefix}{number}"
        mac = create_sublink(
            self._links, network.sublink, network.index, name=inside, namespace=namespace, mac=mac
        )
        link = rtnetlink.parse_link(netlink.run([rtnetlink.get_link(inside)])[0])
        return Veth(outside="", index=link.index, inside=inside, mac=link.mac or mac)

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

    def _configure(self, netlink: NetlinkSocket, namespace: int, veth: Veth, plan: _Plan) -> None:
        bodies = []
        if veth.inside != plan.name:
            bodies += [rtnetlink.set_down(veth.index), rtnetlink.rename(veth.index, plan.name)]
            veth.inside, veth.is_up = plan.name, False
        if plan.network.options.mtu:
            bodies.append(rtnetlink.set_mtu(veth.inside, plan.network.options.mtu))
        if plan.mac and plan.mac != veth.mac:
            bodies.append(rtnetlink.set_mac(veth.index, plan.mac))
        if any(address.version == 6 for address in plan.addresses):
            if bodies:
                netlink.run(bodies)
            bodies = []
            with netns.inside(namespace, self._factory.home):
                enable_ipv6(veth.inside)
        for address in plan.addresses:
            prefix = _side_of(plan.network, address).subnet.prefixlen
            bodies.append(rtnetlink.add_address(veth.index, address, prefix))
        if not veth.is_up:
            bodies.append(rtnetlink.set_up(veth.index))
        if plan.default_route and plan.network.has_gateway:
            bodies += _default_routes(plan, veth.index)
        netlink.run(bodies)


def _default_routes(plan: _Plan, index: int) -> list[Body]:
    """One way outside a family, also where a network has several blocks of it."""
    network = plan.network
    if plan.gateways is not None:
        told = [ip_address(one) for one in plan.gateways.values() if one]
        return [rtnetlink.add_default_route(one, index) for one in told]
    sides = {side.version: side for side in reversed(network.sides)}.values()
    if network.sublink is not None and network.sublink.is_routed:
        return [rtnetlink.add_default_link_route(side.version, index) for side in sides]
    return [rtnetlink.add_default_route(side.gateway, index) for side in sides]


class _Plan(Struct, frozen=True):
    """How an interface is to be inside."""

    network: BridgeNetwork
    name: str = field(default="")
    mac: str = ""
    addresses: list[Address] = field(default_factory=list)
    default_route: bool = False
    gateways: dict[int, str] | None = None


def gateway_endpoint(endpoints: Sequence[Endpoint]) -> Endpoint | None:
    """The endpoint through which the outside is reached: the first that has a gateway."""
    return next((one for one in endpoints if one.gateway or one.ipv6_gateway), None)


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


def _mac_of(addresses: Sequence[Address]) -> str:
    """The hardware address of an IPv4 address: whoever has it next is known to neighbours."""
    for address in addresses:
        if address.version == 4:
            return b"".join((b"\x02\x42", address.packed)).hex(":")
    return ""


def _side_of(network: BridgeNetwork, address: Address) -> Side:
    return next(side for side in network.sides if address in side.subnet)


def addresses_of(endpoint: Endpoint) -> list[Address]:
    """All addresses of an endpoint."""
    return [ip_address(one) for one in (endpoint.address, endpoint.ipv6_address) if one]


def _endpoint(
    network: BridgeNetwork,
    veth: Veth,
    addresses: Sequence[Address],
    endpoint_id: EndpointId,
    names: Sequence[str] = (),
) -> Endpoint:
    made = Endpoint(
        id=endpoint_id,
        network_id=network.record.id,
        interface=veth.inside,
        host_interface=veth.outside,
        mac_address=veth.mac,
        names=list(names),
    )
    is_routed = network.sublink is not None and network.sublink.is_routed
    for address in addresses:
        side = _side_of(network, address)
        gateway = str(side.gateway) if network.has_gateway and not is_routed else ""
        prefix = side.subnet.prefixlen
        if address.version == 4:
            made = structs.replace(made, address=str(address), prefix=prefix, gateway=gateway)
        else:
            made = structs.replace(
                made, ipv6_address=str(address), ipv6_prefix=prefix, ipv6_gateway=gateway
            )
    return made
