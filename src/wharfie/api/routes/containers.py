"""Containers: create, list, inspect, the verbs of their life, and what is asked of them."""

from __future__ import annotations

import asyncio

import msgspec
from msgspec import Struct

from wharfie.api.bodies import convert
from wharfie.api.filters import container_filters, prune_filters
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
from wharfie.model.container import Config, CreateSpec, HostConfig, NetworkingConfig
from wharfie.model.errors import InvalidArgument, NotSupported
from wharfie.model.filters import ContainerFilters, PruneFilters
from wharfie.web import Response
from wharfie.wire.containers import ContainerInspect, ContainersPruned, TopReply

routes = Routes()
_CONFIG_KEYS = frozenset(one.encode_name.lower() for one in msgspec.structs.fields(Config))
_MAX_START_BODY = 7


class CreateBody(Config, rename="pascal", frozen=True, kw_only=True):
    """The body of a create: a Config with two more members."""

    host_config: HostConfig = HostConfig()
    networking_config: NetworkingConfig = NetworkingConfig()


def _create(incoming: Incoming) -> CreateSpec:
    document, query = incoming.document, incoming.query
    if not any(key.lower() in _CONFIG_KEYS for key in document):
        raise InvalidArgument("config cannot be empty in order to create a container")
    body = convert(document, CreateBody)
    return CreateSpec(
        name=query.text("name").removeprefix("/"),
        platform=query.text("platform"),
        config=Config(**{name: getattr(body, name) for name in Config.__struct_fields__}),
        host_config=body.host_config,
        networking=body.networking_config,
    )


@routes.add("POST", "/containers/create", _create, body=BodyKind.JSON)
async def create(context: Context, command: CreateSpec) -> Outcome:
    """ContainerCreate."""
    return Json(await context.services.containers.create(command), 201)


class List(Struct, frozen=True, kw_only=True):
    """Which containers to list."""

    filters: ContainerFilters
    all_: bool
    limit: int
    sizes: bool


def _list(incoming: Incoming) -> List:
    query = incoming.query
    return List(
        filters=container_filters(query),
        all_=query.flag("all"),
        limit=query.integer("limit") or 0,
        sizes=query.flag("size"),
    )


@routes.add("GET", "/containers/json", _list)
def select(context: Context, command: List) -> Outcome:
    """ContainerList; without sizes, whose computation waits, it needs no task."""
    found = context.services.containers.select(
        filters=command.filters, all_=command.all_, limit=max(0, command.limit)
    )
    return Json(context.listing.encode(found))


class Inspect(Struct, frozen=True):
    """Which container to show, with sizes or without."""

    ref: str
    sizes: bool


def _inspect(incoming: Incoming) -> Inspect:
    return Inspect(incoming.ref, incoming.query.flag("size"))


@routes.add("GET", "/containers/{ref:.*}/json", _inspect)
def inspect(context: Context, command: Inspect) -> Outcome:
    """ContainerInspect."""
    return Json(_shown(context, command.ref, None))


def _shown(context: Context, ref: str, size: tuple[int, int] | None) -> ContainerInspect:
    services = context.services
    container = services.containers.get(ref)
    return ContainerInspect.of(
        container,
        graph=context.graph.container(container),
        exec_ids=services.execs.running_in(container.id),
        size=size,
    )
