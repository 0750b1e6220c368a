"""What a request to make a network must look like. Pure; texts are Docker's.

Source: behaviours 152, 159; moby `api/types/network` ValidateIPAM.
"""

from __future__ import annotations

from ipaddress import (
    IPv4Network,
    IPv6Network,
    ip_address,
    ip_network,
)

from wharfie.engine.networks.defaults import RESERVED
from wharfie.engine.networks.requests import NetworkCreate
from wharfie.model.errors import Forbidden, InvalidArgument, NotFound, NotSupported
from wharfie.model.network import IPAM, IPAMConfig

BRIDGE_DRIVER = "bridge"
_SINGLE = ("host", "null")
JOINED_BY_NOBODY = _SINGLE
"""Drivers whose networks are not made and not joined; every other is built in, or a plugin's."""
_LATER = ("overlay",)

Block = IPv4Network | IPv6Network


def check_create(request: NetworkCreate) -> None:
    """Refuse what no network can be.

    Raises:
        InvalidArgument, Forbidden, NotFound, NotSupported: with the reason.
    """
    if not request.name.strip():
        raise InvalidArgument("invalid name: name is empty")
    if request.name in RESERVED:
        raise Forbidden(f"operation is not permitted on predefined {request.name} network")
    _check_driver(request.driver or BRIDGE_DRIVER)
    if request.ingress and request.scope not in ("swarm", "global"):
        raise Forbidden("Ingress network can only be global scope network")
    if request.scope == "swarm" or request.ingress:
        raise Forbidden("cannot create a swarm scoped network when swarm is not active")
    if request.scope not in ("", "local"):
        raise NotSupported("this engine makes networks of scope local only")
    if request.enable_ipv4 is False and not request.enable_ipv6:
        raise InvalidArgument("IPv4 or IPv6 must be enabled")
    source = request.config_from.network if request.config_from else ""
    if request.config_only and source:
        raise InvalidArgument("configuration only network cannot have configuration from")
    if source and (request.options or (request.ipam and request.ipam.config)):
        raise InvalidArgument(
            "user-specified configurations are not supported if the network depends on a "
            "configuration network"
        )
    if request.ipam is not None:
        check_ipam(
            request.ipam,
            ipv4=request.enable_ipv4 is not False,
            ipv6=request.enable_ipv6 or request.config_only,
        )


def _check_driver(driver: str) -> None:
    if driver in _SINGLE:
        raise Forbidden(f'only one instance of "{driver}" network is allowed')
    if driver in _LATER:
        raise NotSupported(f"the {driver} network driver is not supported by this engine yet")


def check_ipam(ipam: IPAM, *, ipv4: bool = True, ipv6: bool = False) -> None:
    """Refuse malformed subnets, ranges and addresses; all faults in one message.

    Raises:
        InvalidArgument: with one line a fault.
        NotFound: another IPAM driver than the built-in one.
    """
    if ipam.driver not in ("", "default"):
        raise NotFound(f'plugin "{ipam.driver}" not found')
    faults: list[str] = []
    for config in ipam.config or []:
        faults += _faults(config, ipv4=ipv4, ipv6=ipv6)
    if faults:
        raise InvalidArgument("invalid network config:\n" + "\n".join(faults))


def _faults(config: IPAMConfig, *, ipv4: bool, ipv6: bool) -> list[str]:
    if not config.subnet:
        given = config.ip_range or config.gateway or config.aux_addresses
        return ["invalid subnet : invalid CIDR block notation"] if given else []
    subnet = _block(config.subnet)
    if subnet is None:
        return [f"invalid subnet {config.subnet}: invalid CIDR block notation"]
    faults = []
    if not _is_start_of(subnet, config.subnet):
        faults.append(f"invalid subnet {config.subnet}: it should be {subnet}")
    if subnet.version == 6 and not ipv6:
        return faults  # kept as it is, and not used
    if subnet.version == 4 and not ipv4:
        faults.append(f"invalid subnet {config.subnet}: IPv4 is not enabled on this network")
    elif subnet.prefixlen > subnet.max_prefixlen - 2:
        faults.append(f"invalid subnet {config.subnet}: it has no room for containers")
    if config.ip_range:
        faults += _range_faults(config.ip_range, subnet)
    if config.gateway:
        faults += _address_faults("gateway", config.gateway, subnet)
    for address in (config.aux_addresses or {}).values():
        faults += _address_faults("auxiliary address", address, subnet)
    return faults


def _range_faults(value: str, subnet: Block) -> list[str]:
    block = _block(value)
    if block is None:
        return [f"invalid ip-range {value}: invalid CIDR block notation"]
    if block.version != subnet.version:
        return [f"invalid ip-range {value}: parent subnet is an IPv{subnet.version} block"]
    faults = []
    if block.prefixlen < subnet.prefixlen:
        faults.append(
            f"invalid ip-range {value}: CIDR block is bigger than its parent subnet {subnet}"
        )
    if not _is_start_of(block, value):
        faults.append(f"invalid ip-range {value}: it should be {block}")
    if block.network_address not in subnet:
        faults.append(f"invalid ip-range {value}: parent subnet {subnet} doesn't contain ip-range")
    return faults


def _address_faults(what: str, value: str, subnet: Block) -> list[str]:
    try:
        address = ip_address(value)
    except ValueError:
        return [f"invalid {what} {value}: invalid address"]
    if address.version != subnet.version:
        return [f"invalid {what} {value}: parent subnet is an IPv{subnet.version} block"]
    if address not in subnet:
        return [f"invalid {what} {value}: parent subnet {subnet} doesn't contain this address"]
    return []


def _is_start_of(block: Block, value: str) -> bool:
    """Tell whether a CIDR block was written without host bits."""
    return ip_address(value.partition("/")[0]) == block.network_address


def _block(value: str) -> Block | None:
    """A CIDR block, host bits masked; None where it is none (a length is required)."""
    if "/" not in value or not value.rpartition("/")[2].isdigit():
        return None
    try:
        return ip_network(value, strict=False)
    except ValueError:
        return None
