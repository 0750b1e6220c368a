"""The networks every engine has: bridge, host and none. Pure.

Source: behaviours 152, 160; the daemon's options --bip, --bridge, --fixed-cidr, --mtu, --icc.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network, NetmaskValueError

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
        mtu: bytes.
        icc: containers may talk to each other.
        masquerade: traffic to the outside takes the host's address.
        host_binding: host address that ports are published on when none is asked for.
    """

    bridge: str = "docker0"
    bip: str = ""
    fixed_cidr: str = ""
    gateway: str = ""
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
        ipam=IPAM(config=_config(wish)),
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
    return have == want and (not wish.ipam.config or recorded.ipam.config == wish.ipam.config)


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


def _flag(value: bool) -> str:
    return "true" if value else "false"
