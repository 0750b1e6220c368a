"""1.48: image mounts, networks without IPv4, gateway priorities."""

from __future__ import annotations

from wharfie.api.bodies import Document
from wharfie.api.compat.change import (
    CREATE,
    NETWORK_CONNECT,
    NETWORK_CREATE,
    Change,
    drop,
    member,
    members,
    take,
)
from wharfie.model.errors import InvalidArgument


def _create(document: Document) -> None:
    for mount in members(member(document, "HostConfig"), "Mounts"):
        kind = take(mount, "Type")
        if kind is not None and mount[kind] == "image":
            raise InvalidArgument('Mount type "Image" needs API v1.48 or newer')
    endpoints = member(member(document, "NetworkingConfig"), "EndpointsConfig")
    for settings in endpoints.values():
        if isinstance(settings, dict):
            drop(settings, "GwPriority")


def _network(document: Document) -> None:
    drop(document, "EnableIPv4")


def _connect(document: Document) -> None:
    drop(member(document, "EndpointConfig"), "GwPriority")


CHANGE = Change(
    version=(1, 48),
    documents={CREATE: _create, NETWORK_CREATE: _network, NETWORK_CONNECT: _connect},
)
