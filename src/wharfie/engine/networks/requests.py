"""Requests of the network verbs. Source: Engine API 1.51, NetworkCreate."""

from __future__ import annotations

from msgspec import Struct, field

from wharfie.model.network import IPAM


class ConfigReference(Struct, rename="pascal", frozen=True):
    """The network to take settings from."""

    network: str = ""


class NetworkCreate(Struct, rename="pascal", frozen=True, kw_only=True):
    """Body of a network create."""

    name: str = ""
    driver: str = ""
    scope: str = ""
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    config_only: bool = False
    config_from: ConfigReference | None = None
    enable_ipv4: bool | None = field(default=None, name="EnableIPv4")
    enable_ipv6: bool = field(default=False, name="EnableIPv6")
    ipam: IPAM | None = field(default=None, name="IPAM")
    options: dict[str, str] | None = None
    labels: dict[str, str] | None = None
