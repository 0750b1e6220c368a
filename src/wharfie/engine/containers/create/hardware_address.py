"""The hardware address that is asked for in a container's Config, where Docker had it before 1.44.

It belongs to the endpoint of the network mode; the caller is told so. Pure. Source: moby
`daemon/server/router/container/container_routes.go` handleMACAddressBC.
"""

from __future__ import annotations

from msgspec import UNSET, structs

from wharfie.engine.containers.networking import parse_mode
from wharfie.model.container import CreateSpec, NetworkingConfig
from wharfie.model.errors import InvalidArgument
from wharfie.model.network import EndpointSettings

DEPRECATED = (
    "The container-wide MacAddress field is now deprecated. "
    "It should be specified in EndpointsConfig instead."
)


def move_hardware_address(spec: CreateSpec) -> tuple[CreateSpec, list[str]]:
    """The request with the address where it belongs, and warnings.

    Raises:
        InvalidArgument: the endpoint has another one.
    """
    mac = spec.config.mac_address or ""
    warnings = [DEPRECATED] if mac else []
    mode = parse_mode(spec.host_config.network_mode)
    if mode.kind != "network":
        config = structs.replace(spec.config, mac_address=UNSET)
        return structs.replace(spec, config=config), warnings
    endpoints = dict(spec.networking.endpoints_config or {})
    names = (spec.host_config.network_mode, "default", mode.target)
    name = next((one for one in names if one in endpoints), mode.target)
    settings = endpoints.get(name) or EndpointSettings()
    if mac and settings.mac_address not in ("", mac):
        raise InvalidArgument(
            "the container-wide MAC address must match the endpoint-specific MAC address for "
            "the main network, or be left empty"
        )
    if mac:
        endpoints[name] = structs.replace(settings, mac_address=mac)
    # Told there, too, wherever it was asked for.
    config = structs.replace(spec.config, mac_address=mac or settings.mac_address or UNSET)
    networking = NetworkingConfig(endpoints or None)
    return structs.replace(spec, config=config, networking=networking), warnings
