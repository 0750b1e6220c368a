"""Replies about networks. Source: Engine API 1.51, Network; behaviours 158."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from wharfie.model.ids import ContainerId
from wharfie.model.network import IPAM, Endpoint, Network


class ConfigReference(Struct, rename="pascal", frozen=True):
    """The network this one takes its settings from."""

    network: str = ""


class NetworkContainer(Struct, frozen=True, kw_only=True):
    """A connected container; addresses with their prefix length, "" for none."""

    name: str = field(name="Name")
    endpoint_id: str = field(name="EndpointID")
    mac_address: str = field(name="MacAddress")
    ipv4_address: str = field(name="IPv4Address")
    ipv6_address: str = field(name="IPv6Address")

    @classmethod
    def of(cls, endpoint: Endpoint, name: str) -> NetworkContainer:
        """Show a live endpoint."""
        four, six = endpoint.address, endpoint.ipv6_address
        return cls(
            name=name,
            endpoint_id=endpoint.id,
            mac_address=endpoint.mac_address,
            ipv4_address=f"{four}/{endpoint.prefix}" if four else "",
            ipv6_address=f"{six}/{endpoint.ipv6_prefix}" if six else "",
        )


class NetworkInspect(Struct, rename="pascal", frozen=True, kw_only=True):
    """One network; a list shows no containers."""

    name: str
    id: str
    created: str
    scope: str
    driver: str
    enable_ipv4: bool = field(name="EnableIPv4")
    enable_ipv6: bool = field(name="EnableIPv6")
    ipam: IPAM = field(name="IPAM")
    internal: bool
    attachable: bool
    ingress: bool
    config_from: ConfigReference = ConfigReference()
    config_only: bool
    containers: dict[str, NetworkContainer] = field(default_factory=dict)
    options: dict[str, str]
    labels: dict[str, str]

    @classmethod
    def of(
        cls,
        network: Network,
        endpoints: Mapping[ContainerId, Endpoint] | None = None,
        names: Mapping[ContainerId, str] | None = None,
    ) -> NetworkInspect:
        """Show a network.

        Args:
            network: its record.
            endpoints: live ones, where they are to be shown.
            names: container names by ID.
        """
        named = names or {}
        return cls(
            name=network.name,
            id=network.id,
            created=network.created,
            scope=network.scope,
            driver=network.driver,
            enable_ipv4=network.enable_ipv4,
            enable_ipv6=network.enable_ipv6,
            ipam=network.ipam,
            internal=network.internal,
            attachable=network.attachable,
            ingress=network.ingress,
            config_from=ConfigReference(network.config_from),
            config_only=network.config_only,
            containers={
                key: NetworkContainer.of(endpoint, named.get(key, ""))
                for key, endpoint in (endpoints or {}).items()
            },
            options=network.options,
            labels=network.labels,
        )


class NetworkCreated(Struct, rename="pascal", frozen=True):
    """The reply to a create; the warning is a string, for once."""

    id: str
    warning: str = ""


class NetworksPruned(Struct, rename="pascal", frozen=True):
    """`POST /networks/prune`; null when nothing was removed."""

    networks_deleted: list[str] | None
