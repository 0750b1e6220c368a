"""Networks: create, list, inspect, connect, remove, prune."""

from __future__ import annotations

from msgspec import Struct

from wharfie.api.bodies import convert
from wharfie.api.filters import network_filters, prune_filters
from wharfie.api.operations import (
    EMPTY,
    NO_CONTENT,
    BodyKind,
    ByRef,
    Incoming,
    Json,
    Outcome,
    Routes,
)
from wharfie.api.services import Context
from wharfie.engine.networks import NetworkCreate
from wharfie.model.errors import NoSuchContainer
from wharfie.model.filters import NetworkFilters, PruneFilters
from wharfie.model.ids import ContainerId
from wharfie.model.network import EndpointSettings
from wharfie.wire.networks import NetworkCreated, NetworkInspect, NetworksPruned

routes = Routes()


def _list(incoming: Incoming) -> NetworkFilters:
    return network_filters(incoming.query)


@routes.add("GET", "/networks", _list)
@routes.add("GET", "/networks/", _list)
def select(context: Context, command: NetworkFilters) -> Outcome:
    """NetworkList; without containers."""
    found = context.services.networks.select(command)
    return Json([NetworkInspect.of(network) for network in found])


@routes.add("GET", "/networks/{ref:.*}", ByRef.of)
def inspect(context: Context, command: ByRef) -> Outcome:
    """NetworkInspect."""
    services = context.services
    network = services.networks.get(command.ref)
    endpoints = services.networks.endpoints(network)
    names = {key: name for key in endpoints if (name := _name(context, key))}
    return Json(NetworkInspect.of(network, endpoints, names))


def _name(context: Context, container_id: ContainerId) -> str:
    """A container's name, "" for one that is just being removed."""
    try:
        return context.services.containers.get(container_id).name
    except NoSuchContainer:
        return ""


def _create(incoming: Incoming) -> NetworkCreate:
    return convert(incoming.document, NetworkCreate)


@routes.add("POST", "/networks/create", _create, body=BodyKind.OPTIONAL_JSON)
async def create(context: Context, command: NetworkCreate) -> Outcome:
    """NetworkCreate."""
    made = await context.services.networks.create(command)
    return Json(NetworkCreated(made.id), 201)


@routes.add("DELETE", "/networks/{ref:.*}", ByRef.of)
async def remove(context: Context, command: ByRef) -> Outcome:
    """NetworkDelete."""
    await context.services.networks.remove(command.ref)
    return NO_CONTENT


class Connect(Struct, frozen=True, kw_only=True):
    """A container to connect to a network."""

    ref: str
    container: str
    settings: EndpointSettings


class ConnectBody(Struct, rename="pascal", frozen=True, kw_only=True):
    """The body of a connect."""

    container: str = ""
    endpoint_config: EndpointSettings = EndpointSettings()


def _connect(incoming: Incoming) -> Connect:
    body = convert(incoming.document, ConnectBody)
    return Connect(ref=incoming.ref, container=body.container, settings=body.endpoint_config)


@routes.add("POST", "/networks/{ref:.*}/connect", _connect, body=BodyKind.OPTIONAL_JSON)
async def connect(context: Context, command: Connect) -> Outcome:
    """NetworkConnect."""
    await context.services.attachments.connect(command.container, command.ref, command.settings)
    return EMPTY


class Disconnect(Struct, frozen=True, kw_only=True):
    """A container to disconnect from a network."""

    ref: str
    container: str
    force: bool


class DisconnectBody(Struct, rename="pascal", frozen=True, kw_only=True):
    """The body of a disconnect."""

    container: str = ""
    force: bool = False


def _disconnect(incoming: Incoming) -> Disconnect:
    body = convert(incoming.document, DisconnectBody)
    return Disconnect(ref=incoming.ref, container=body.container, force=body.force)


@routes.add("POST", "/networks/{ref:.*}/disconnect", _disconnect, body=BodyKind.OPTIONAL_JSON)
async def disconnect(context: Context, command: Disconnect) -> Outcome:
    """NetworkDisconnect."""
    await context.services.attachments.disconnect(
        command.container, command.ref, force=command.force
    )
    return EMPTY


def _prune(incoming: Incoming) -> PruneFilters:
    return prune_filters(incoming.query, {"until", "label", "label!"}, now=incoming.now)


@routes.add("POST", "/networks/prune", _prune, since=(1, 25))
async def prune(context: Context, command: PruneFilters) -> Outcome:
    """NetworkPrune."""
    names = await context.services.networks.prune(command)
    return Json(NetworksPruned(list(names) or None))
