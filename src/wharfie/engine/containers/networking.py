"""Networks of a container: which it joins, and what inspect shows of them. Pure.

Source: behaviours 30, 39, 153, 156–158, 166, 174, 175.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UNSET, Struct, structs

from wharfie.model.container import Config, Container, CreateSpec, HostConfig
from wharfie.model.errors import InvalidArgument
from wharfie.model.ids import short
from wharfie.model.network import (
    Connection,
    EndpointSettings,
    Network,
    NetworkAttachment,
    PortBinding,
)

PREDEFINED = ("bridge", "host", "none")


class NetworkMode(Struct, frozen=True):
    """A parsed network mode: `kind` is "network", "host", "none" or "container"."""

    kind: str
    target: str


def parse_mode(mode: str) -> NetworkMode:
    """Parse HostConfig.NetworkMode; "" and "default" mean the default bridge."""
    if mode.startswith("container:"):
        return NetworkMode("container", mode.removeprefix("container:"))
    if mode in ("host", "none"):
        return NetworkMode(mode, mode)
    return NetworkMode("network", "bridge" if mode in ("", "default") else mode)


def attachments(
    spec: CreateSpec, container_id: str, name: str, find: Callable[[str], Network]
) -> dict[str, NetworkAttachment]:
    """Networks a new container is part of, by name, the one of its mode first.

    Raises:
        InvalidArgument: settings a network does not allow.
        NoSuchNetwork: from `find`.
    """
    mode = parse_mode(spec.host_config.network_mode)
    if mode.kind == "container":
        return {}
    wanted = dict(spec.networking.endpoints_config or {})
    primary = find(mode.target)
    settings = EndpointSettings()
    for key in (spec.host_config.network_mode, "default", primary.name, primary.id):
        given = wanted.pop(key, None)
        if given is not None:
            settings = given
    chosen = {primary.name: attach(primary, settings, container_id, name)}
    if wanted and mode.kind != "network":
        raise InvalidArgument(
            f"conflicting options: cannot attach both user-defined and {mode.kind} network-modes"
        )
    for key, value in wanted.items():
        network = find(key)
        chosen[network.name] = attach(network, value or EndpointSettings(), container_id, name)
    return chosen


def attach(
    network: Network, settings: EndpointSettings, container_id: str, name: str
) -> NetworkAttachment:
    """What a container gets of a network; InvalidArgument for settings it does not allow."""
    is_user_defined = network.name not in PREDEFINED
    if not is_user_defined:
        _check_predefined(settings)
    aliases = settings.aliases
    dns_names = [name, *(aliases or []), short(container_id)] if is_user_defined else None
    return NetworkAttachment(
        structs.replace(
            settings,
            network_id=network.id,
            dns_names=list(dict.fromkeys(dns_names)) if dns_names else None,
        ),
        settings.mac_address or UNSET,
    )


def _check_predefined(settings: EndpointSettings) -> None:
    errors = []
    if settings.aliases:
        errors.append("network-scoped aliases are only supported for user-defined networks")
    ipam = settings.ipam_config
    if ipam is not None and (ipam.ipv4_address or ipam.ipv6_address):
        errors.append("user-specified IP address is supported on user-defined networks only")
    if errors:
        raise InvalidArgument("invalid endpoint settings:\n" + "\n".join(errors))


def wanted_ports(config: Config, host: HostConfig) -> dict[str, list[PortBinding]]:
    """What to publish: explicit bindings, and with PublishAllPorts every exposed port."""
    publish: dict[str, list[PortBinding]] = {}
    for port, bindings in host.port_bindings.items():
        publish[_with_protocol(port)] = list(bindings or [PortBinding()])
    if host.publish_all_ports and config.exposed_ports is not UNSET:
        for port in config.exposed_ports:
            publish.setdefault(_with_protocol(port), [PortBinding()])
    return publish


def _with_protocol(port: str) -> str:
    return port if "/" in port else f"{port}/tcp"


def connected(container: Container, connection: Connection) -> Container:
    """The record of a container whose networking is live."""
    networks = {}
    for name, attachment in container.networks.items():
        endpoint = connection.endpoints.get(name)
        if endpoint is None:
            networks[name] = attachment
            continue
        settings = structs.replace(
            attachment.settings,
            endpoint_id=endpoint.id,
            gateway=endpoint.gateway,
            ip_address=endpoint.address,
            ip_prefix_len=endpoint.prefix,
            ipv6_gateway=endpoint.ipv6_gateway,
            global_ipv6_address=endpoint.ipv6_address,
            global_ipv6_prefix_len=endpoint.ipv6_prefix,
            mac_address=endpoint.mac_address,
        )
        networks[name] = structs.replace(attachment, settings=settings)
    ports: dict[str, list[PortBinding] | None] = dict.fromkeys(sorted(container.ports_exposed))
    for port in connection.ports:
        key = f"{port.container_port}/{port.protocol}"
        bindings = ports.get(key) or []
        ports[key] = [*bindings, PortBinding(port.host_ip, str(port.host_port))]
    return structs.replace(
        container, networks=networks, ports=ports, sandbox_id=connection.sandbox_id
    )


def disconnected(container: Container) -> Container:
    """The record of a container whose networking is down: operational fields are empty."""
    networks = {
        name: structs.replace(
            attachment,
            settings=structs.replace(
                attachment.settings,
                endpoint_id="",
                gateway="",
                ip_address="",
                ip_prefix_len=0,
                ipv6_gateway="",
                global_ipv6_address="",
                global_ipv6_prefix_len=0,
                mac_address=attachment.requested_mac or "",
            ),
        )
        for name, attachment in container.networks.items()
    }
    return structs.replace(container, networks=networks, ports={}, sandbox_id="")
