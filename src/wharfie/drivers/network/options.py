"""Options of a bridge network, parsed: what `docker network create -o` says.

Source: Docker's bridge driver documentation; behaviours 163. Unknown options are kept in the
record and mean nothing here, as in Docker.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address

from msgspec import Struct

from wharfie.drivers.network.settings import ANY_HOST
from wharfie.model.errors import InvalidArgument
from wharfie.model.ids import short
from wharfie.model.network import EndpointSettings, Network

BRIDGE_NAME = "com.docker.network.bridge.name"
DEFAULT_BRIDGE = "com.docker.network.bridge.default_bridge"
ENABLE_ICC = "com.docker.network.bridge.enable_icc"
ENABLE_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4"
HOST_BINDING_IPV6 = "com.docker.network.bridge.host_binding_ipv6"
GATEWAY_MODE = "com.docker.network.bridge.gateway_mode_ipv4"
GATEWAY_MODE_IPV6 = "com.docker.network.bridge.gateway_mode_ipv6"
INHIBIT_IPV4 = "com.docker.network.bridge.inhibit_ipv4"
INTERFACE_PREFIX = "com.docker.network.container_iface_prefix"
INTERFACE_NAME = "com.docker.network.endpoint.ifname"
MTU = "com.docker.network.driver.mtu"

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_NAME_LIMIT = 15
_MODES = ("nat", "nat-unprotected", "routed", "isolated")
_MTU_RANGE = range(68, 65536)


class BridgeOptions(Struct, frozen=True, kw_only=True):
    """Options of one bridge network.

    Attributes:
        bridge: name of the host's bridge.
        default: this is the network called "bridge".
        icc: containers of this network may talk to each other.
        masquerade: traffic to the outside takes the host's address.
        host_binding: address that ports are published on when none is asked for.
        address: the bridge has the gateway's address.
        prefix: of interface names inside.
        mtu: bytes, 0 for the kernel's default.
        modes: how the outside and containers reach each other, for IPv4 and IPv6: "nat",
            "nat-unprotected", "routed" or "isolated".
    """

    bridge: str
    default: bool = False
    icc: bool = True
    masquerade: bool = True
    host_binding: str = ANY_HOST
    address: bool = True
    prefix: str = "eth"
    mtu: int = 0
    modes: tuple[str, str] = ("nat", "nat")

    def mode(self, version: int) -> str:
        """The gateway mode of a family."""
        return self.modes[0 if version == 4 else 1]

    @classmethod
    def of(cls, network: Network) -> BridgeOptions:
        """Parse a network's options.

        Raises:
            InvalidArgument: a value of the wrong form.
        """
        options = network.options
        return cls(
            bridge=_name(options.get(BRIDGE_NAME, "") or f"br-{short(network.id)}", BRIDGE_NAME),
            default=_flag(options, DEFAULT_BRIDGE, default=False),
            icc=_flag(options, ENABLE_ICC, default=True),
            masquerade=_flag(options, ENABLE_MASQUERADE, default=True),
            host_binding=_host_address(options.get(HOST_BINDING, "")),
            address=not _flag(options, INHIBIT_IPV4, default=False),
            prefix=_name(options.get(INTERFACE_PREFIX, "") or "eth", INTERFACE_PREFIX, limit=12),
            mtu=_mtu(options.get(MTU, "")),
            modes=(_mode(network, GATEWAY_MODE), _mode(network, GATEWAY_MODE_IPV6)),
        )


def interface_name(settings: EndpointSettings) -> str:
    """The name an endpoint's interface is to have inside, "" for the next.

    Raises:
        InvalidArgument: no interface can be called so.
    """
    wished = (settings.driver_opts or {}).get(INTERFACE_NAME, "")
    return _name(wished, INTERFACE_NAME) if wished else ""


def _flag(options: dict[str, str], key: str, *, default: bool) -> bool:
    value = options.get(key, "")
    if not value:
        return default
    if value not in _TRUE | _FALSE:
        raise InvalidArgument(
            f'failed to parse {key} value: "{value}" (strconv.ParseBool: parsing "{value}": '
            "invalid syntax)"
        )
    return value in _TRUE


def _name(value: str, key: str, *, limit: int = _NAME_LIMIT) -> str:
    if len(value.encode()) > limit or value in {".", ".."} or not _is_interface_name(value):
        raise InvalidArgument(f"invalid value for {key}: {value!r} is no interface name")
    return value


def _is_interface_name(value: str) -> bool:
    return all(char.isprintable() and not char.isspace() and char not in "/:%" for char in value)


def _mode(network: Network, key: str) -> str:
    mode = network.options.get(key, "") or "nat"
    if mode not in _MODES:
        raise InvalidArgument(f"failed to parse {key} value: {mode} (unknown gateway mode {mode})")
    if mode == "isolated" and not network.internal:
        raise InvalidArgument("gateway mode 'isolated' can only be used for an internal network")
    return mode


def _host_address(value: str) -> str:
    if not value:
        return ANY_HOST
    try:
        return str(IPv4Address(value))
    except AddressValueError:
        raise InvalidArgument(f"failed to parse {HOST_BINDING} value: {value!r}") from None


def _mtu(value: str) -> int:
    if not value:
        return 0
    if not value.isascii() or not value.isdigit() or int(value) not in _MTU_RANGE:
        raise InvalidArgument(f"invalid value for {MTU}: {value!r}")
    return int(value)
