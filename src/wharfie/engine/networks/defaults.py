"""The networks every engine has: bridge, host and none. Pure.

Source: behaviours 152, 160; the daemon's options --bip, --bridge, --fixed-cidr, --mtu, --icc.
"""

from __future__ import annotations

from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    NetmaskValueError,
)

from msgspec import Struct

from wharfie.model.errors import InvalidArgument
from wharfie.model.ids import NetworkId
from wharfie.model.network import IPAM, IPAMConfig, Network

BRIDGE = "bridge"
HOST = "host"
NONE = "none"
PREDEFINED = (BRIDGE, HOST, NONE)
RESERVED = (*PREDEFINED, "default")

_NAME = "com.docker.network.bridge.name"


class DefaultBridge(Struct, frozen=True, kw_only=True):
    """How the daemon's configuration wants the network called "bridge".

    Attributes:
        bridge: name of the host's bridge; "none" makes no such network.
        bip: its address with prefix ("172.17.0.1/16"), "" chooses one of the pools.
        fixed_cidr: part of the subnet from which addresses are given, "" for all of it.
        gateway: default gateway, "" for the bridge's address.
        ipv6: it has IPv6 too.
        bip6: the bridge's IPv6 address with prefix, "" chooses one.
        fixed_cidr6: IPv6 subnet, or part of that of `bip6`.
        gateway6: default IPv6 gateway, "" for the bridge's address.
        mtu: bytes.
        icc: containers may talk to each other.
        masquerade: traffic to the outside takes the host's address.
        host_binding: host address that ports are published on when none is asked for.
    """

    bridge: str = "docker0"
    bip: str = ""
    fixed_cidr: str = ""
    gateway: str = ""
    ipv6: bool = False
    bip6: str = ""
    fixed_cidr6: str = ""
    gateway6: str = ""
    mtu: int = 1500
    icc: bool = True
    masquerade: bool = True
    host_binding: str = "0.0.0.0"  # noqa: S104 - Docker's default

    @property
    def wanted(self) -> bool:
        """Whether there is to be such a network."""
        return self.bridge != "none"


def bridge_network(wish: DefaultBridge, network_id: NetworkId, created: str) -> Network:
    """The record of the network "bridge", before a driver makes it.

    Raises:
        InvalidArgument: a malformed option.
    """
    return Network(
        id=network_id,
        name=BRIDGE,
        created=created,
        enable_ipv6=wish.ipv6,
        ipam=IPAM(config=[*_config(wish), *(_config6(wish) if wish.ipv6 else [])]),
        options={
            "com.docker.network.bridge.default_bridge": "true",
            "com.docker.network.bridge.enable_icc": _flag(wish.icc),
            "com.docker.network.bridge.enable_ip_masquerade": _flag(wish.masquerade),
            "com.docker.network.bridge.host_binding_ipv4": wish.host_binding,
            _NAME: wish.bridge,
            "com.docker.network.driver.mtu": str(wish.mtu),
        },
    )


def plain_network(name: str, driver: str, network_id: NetworkId, created: str) -> Network:
    """The record of "host" or "none", which no driver makes."""
    return Network(id=network_id, name=name, created=created, driver=driver, ipam=IPAM(config=None))


def is_as_wished(recorded: Network, wish: Network) -> bool:
    """Tell whether a recorded default network still is what the configuration wants.

    A bridge name that another engine holds was replaced when it was made, so it does not count.
    """
    have = {key: value for key, value in recorded.options.items() if key != _NAME}
    want = {key: value for key, value in wish.options.items() if key != _NAME}
    wanted = wish.ipam.config or []
    return (
        have == want
        and recorded.enable_ipv6 == wish.enable_ipv6
        and all(one in (recorded.ipam.config or []) for one in wanted)
    )


def _config(wish: DefaultBridge) -> list[IPAMConfig]:
    if not wish.bip:
        if wish.fixed_cidr or wish.gateway:
            raise InvalidArgument("fixed-cidr and default-gateway need a bip")
        return []
    try:
        own = IPv4Interface(wish.bip)
        range_ = IPv4Network(wish.fixed_cidr) if wish.fixed_cidr else None
        gateway = IPv4Address(wish.gateway) if wish.gateway else own.ip
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise InvalidArgument(f"invalid address of the default bridge: {error}") from None
    if own.network.prefixlen > 30 or own.ip in (
        own.network.network_address,
        own.network.broadcast_address,
    ):
        raise InvalidArgument(f"invalid bip {wish.bip}: not an address of a network")
    if (range_ and not range_.subnet_of(own.network)) or gateway not in own.network:
        raise InvalidArgument(f"fixed-cidr and default-gateway must lie in {own.network}")
    aux = {"DefaultGatewayIPv4": str(gateway)} if gateway != own.ip else None
    return [
        IPAMConfig(
            subnet=str(own.network),
            ip_range=wish.fixed_cidr,
            gateway=str(own.ip),
            aux_addresses=aux,
        )
    ]


def _config6(wish: DefaultBridge) -> list[IPAMConfig]:
    """Its IPv6 block: of the bridge's own address, or the whole of fixed-cidr-v6."""
    if not wish.bip6 and not wish.fixed_cidr6:
        if wish.gateway6:
            raise InvalidArgument("default-gateway-v6 needs a bip6 or a fixed-cidr-v6")
        return []
    try:
        own = IPv6Interface(wish.bip6) if wish.bip6 else None
        range_ = IPv6Network(wish.fixed_cidr6) if wish.fixed_cidr6 else None
        gateway = IPv6Address(wish.gateway6) if wish.gateway6 else None
    except ValueError as error:
        raise InvalidArgument(f"invalid IPv6 address of the default bridge: {error}") from None
    subnet = own.network if own is not None else range_
    assert subnet is not None
    if range_ is not None and not range_.subnet_of(subnet):
        raise InvalidArgument(f"fixed-cidr-v6 must lie in {subnet}")
    if gateway is not None and gateway not in subnet:
        raise InvalidArgument(f"default-gateway-v6 must lie in {subnet}")
    bridge = own.ip if own is not None else subnet[1]
    is_other = gateway is not None and gateway != bridge
    return [
        IPAMConfig(
            subnet=str(subnet),
            ip_range=wish.fixed_cidr6 if own is not None else "",
            gateway=str(bridge),
            aux_addresses={"DefaultGatewayIPv6": str(gateway)} if is_other else None,
        )
    ]


def _flag(value: bool) -> str:
    return "true" if value else "false"
