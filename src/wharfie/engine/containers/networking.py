"""Networks of a container: which it joins, and what inspect shows of them. Pure.

Source: behaviours 30, 39, 153, 156–158, 166, 174, 175.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network

from msgspec import UNSET, Struct, structs

from wharfie.model.container import Config, Container, CreateSpec, HostConfig
from wharfie.model.errors import InvalidArgument, NoSuchNetwork
from wharfie.model.ids import short
from wharfie.model.network import (
    Connection,
    EndpointIPAMConfig,
    EndpointSettings,
    Network,
    NetworkAttachment,
    PortBinding,
)

PREDEFINED = ("bridge", "host", "none")
_NEVER_ALIASES = ("localhost", "localhost.localdomain", "host.docker.internal")
"""Whoever could take these would get what is meant for the asker itself, or for the host."""


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
        NoSuchNetwork: from `find`, for the network of the mode where it is a predefined one.
    """
    mode = parse_mode(spec.host_config.network_mode)
    if mode.kind == "container":
        return {}
    wanted = dict(spec.networking.endpoints_config or {})
    hostname = spec.config.hostname

    def attached(ref: str, settings: EndpointSettings) -> tuple[str, NetworkAttachment]:
        try:
            network = find(ref)
        except NoSuchNetwork:
            if mode.kind != "network":
                raise
            # It may be there when the container is started, which tells if not.
            named = with_names(settings, container_id, name, hostname)
            return ref, NetworkAttachment(named, settings.mac_address or UNSET)
        try:
            return network.name, attach(network, settings, container_id, name, hostname)
        except InvalidArgument as error:
            raise InvalidArgument(f"invalid config for network {ref}: {error}") from None

    settings = EndpointSettings()
    for key in (spec.host_config.network_mode, "default", *_spellings(mode.target, find)):
        given = wanted.pop(key, None)
        if given is not None:
            settings = given
    chosen = dict([attached(mode.target, settings)])
    if wanted and mode.kind != "network":
        raise InvalidArgument(
            f"conflicting options: cannot attach both user-defined and {mode.kind} network-modes"
        )
    for key, value in wanted.items():
        other, attachment = attached(key, value or EndpointSettings())
        chosen[other] = attachment
    return chosen


def _spellings(ref: str, find: Callable[[str], Network]) -> Sequence[str]:
    """What else a network may be called in a request."""
    try:
        network = find(ref)
    except NoSuchNetwork:
        return ()
    return network.name, network.id


def attach(
    network: Network,
    settings: EndpointSettings,
    container_id: str,
    name: str,
    hostname: str = "",
) -> NetworkAttachment:
    """What a container gets of a network; InvalidArgument for settings it does not allow."""
    is_user_defined = network.name not in PREDEFINED
    errors = _faults(settings, network) if is_user_defined else _predefined_faults(settings)
    if errors:
        raise InvalidArgument("invalid endpoint settings:\n" + "\n".join(errors))
    settings = structs.replace(settings, network_id=network.id)
    if is_user_defined:
        settings = with_names(settings, container_id, name, hostname)
    return NetworkAttachment(settings, settings.mac_address or UNSET)


def with_names(
    settings: EndpointSettings, container_id: str, name: str, hostname: str
) -> EndpointSettings:
    """Settings with the names by which the network's other containers find this one.

    The first is what its address is called. Source: behaviours 155.
    """
    names = [name, *(settings.aliases or []), short(container_id), hostname]
    return structs.replace(settings, dns_names=[*dict.fromkeys(filter(None, names))])


def renamed(container: Container, name: str) -> Container:
    """A container with another name, by which its networks know it too."""
    networks = {
        key: structs.replace(
            one,
            settings=with_names(one.settings, container.id, name, container.config.hostname),
        )
        if one.settings.dns_names
        else one
        for key, one in container.networks.items()
    }
    return structs.replace(container, name=name, networks=networks)


def renamed_connection(connection: Connection, container: Container) -> Connection:
    """A live connection whose endpoints have the names of the container's record."""
    endpoints = {
        key: structs.replace(endpoint, names=container.networks[key].settings.dns_names or [])
        if key in container.networks
        else endpoint
        for key, endpoint in connection.endpoints.items()
    }
    return structs.replace(connection, endpoints=endpoints)


def _predefined_faults(settings: EndpointSettings) -> list[str]:
    errors = []
    if settings.aliases:
        errors.append("network-scoped aliases are only supported for user-defined networks")
    ipam = settings.ipam_config
    if ipam is not None and (ipam.ipv4_address or ipam.ipv6_address):
        errors.append("user specified IP address is supported on user defined networks only")
    return errors


def _faults(settings: EndpointSettings, network: Network) -> list[str]:
    ipam = settings.ipam_config or EndpointIPAMConfig()
    errors = [
        f"invalid alias {alias!r}: no container may take this name"
        for alias in settings.aliases or []
        if alias.lower() in _NEVER_ALIASES or "*" in alias
    ]
    for kind, text in (("IPv4", ipam.ipv4_address), ("IPv6", ipam.ipv6_address)):
        if text and (fault := _address_fault(kind, text, network)):
            errors.append(fault)
    return errors


def _address_fault(kind: str, text: str, network: Network) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return f"invalid {kind} address: {text}"
    if f"IPv{address.version}" != kind:
        return f"invalid {kind} address: {text}"
    subnets = [ip_network(one.subnet) for one in network.ipam.config or [] if one.subnet]
    if subnets and not any(address in subnet for subnet in subnets):
        return f"no configured subnet or ip-range contain the IP address {text}"
    return ""


def wanted_ports(config: Config, host: HostConfig) -> dict[str, list[PortBinding]]:
    """What to publish: explicit bindings, and with PublishAllPorts every exposed port."""
    publish: dict[str, list[PortBinding]] = {}
    for port, bindings in (host.port_bindings or {}).items():
        publish[with_protocol(port)] = list(bindings or [PortBinding()])
    if host.publish_all_ports and config.exposed_ports is not UNSET:
        for port in config.exposed_ports:
            publish.setdefault(with_protocol(port), [PortBinding()])
    return publish


def with_protocol(port: str) -> str:
    """A container port with its protocol: "80" is "80/tcp"."""
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
        if not port.host_port:
            ports.setdefault(key, None)  # reached at the container's own address
            continue
        allowed = list(port.allow_from) or UNSET
        binding = PortBinding(port.host_ip, str(port.host_port), allowed)
        ports[key] = [*(ports.get(key) or []), binding]
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
