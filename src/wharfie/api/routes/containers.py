"""Containers: create, list, inspect, the verbs of their life, and what is asked of them."""

from __future__ import annotations

from collections.abc import Awaitable

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
from wharfie.engine.containers import PortChange
from wharfie.model.container import Config, CreateSpec, HostConfig, NetworkingConfig
from wharfie.model.errors import InvalidArgument, NotSupported
from wharfie.model.filters import ContainerFilters, PruneFilters
from wharfie.model.update import UpdateSpec
from wharfie.wire.containers import ContainerInspect, ContainersPruned, TopReply, UpdateReply

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
def select(context: Context, command: List) -> Outcome | Awaitable[Outcome]:
    """ContainerList; without sizes, whose computation waits, it needs no task."""
    if command.sizes:
        return _select_with_sizes(context, command)
    found = context.services.containers.select(
        filters=command.filters, all_=command.all_, limit=max(0, command.limit)
    )
    return Json(context.listing.encode(found))


async def _select_with_sizes(context: Context, command: List) -> Outcome:
    containers = context.services.containers
    found = containers.select(
        filters=command.filters, all_=command.all_, limit=max(0, command.limit)
    )
    return Json([context.listing.summarise(one, await containers.size(one.id)) for one in found])


class Inspect(Struct, frozen=True):
    """Which container to show, with sizes or without."""

    ref: str
    sizes: bool


def _inspect(incoming: Incoming) -> Inspect:
    return Inspect(incoming.ref, incoming.query.flag("size"))


@routes.add("GET", "/containers/{ref:.*}/json", _inspect)
def inspect(context: Context, command: Inspect) -> Outcome | Awaitable[Outcome]:
    """ContainerInspect."""
    if command.sizes:
        return _inspect_with_sizes(context, command.ref)
    return Json(_shown(context, command.ref, None))


async def _inspect_with_sizes(context: Context, ref: str) -> Outcome:
    size = await context.services.containers.size(ref)
    return Json(_shown(context, ref, size))


def _shown(context: Context, ref: str, size: tuple[int, int] | None) -> ContainerInspect:
    services = context.services
    container = services.containers.get(ref)
    return ContainerInspect.of(
        container,
        graph=context.graph.container(container),
        exec_ids=services.execs.running_in(container.id),
        size=size,
    )


def _start(incoming: Incoming) -> ByRef:
    length = incoming.request.body.length
    if length is None or length > _MAX_START_BODY:
        raise InvalidArgument(
            "starting container with non-empty request body was deprecated since API v1.22 "
            "and removed in v1.24"
        )
    if incoming.query.text("checkpoint"):
        raise NotSupported("checkpoints are not supported by this engine yet")
    return ByRef(incoming.ref)


@routes.add("POST", "/containers/{ref:.*}/start", _start)
async def start(context: Context, command: ByRef) -> Outcome:
    """ContainerStart."""
    await context.services.containers.start(command.ref)
    return NO_CONTENT


class Stop(Struct, frozen=True):
    """Which container to stop, and how; see `Containers.stop`."""

    ref: str
    grace: float | None
    signal: str | None


def _stop(incoming: Incoming) -> Stop:
    seconds = incoming.query.integer("t")
    grace = None if seconds is None else float(seconds)
    return Stop(incoming.ref, grace, incoming.query.text("signal") or None)


@routes.add("POST", "/containers/{ref:.*}/stop", _stop)
async def stop(context: Context, command: Stop) -> Outcome:
    """ContainerStop."""
    await context.services.containers.stop(command.ref, grace=command.grace, signal=command.signal)
    return NO_CONTENT


@routes.add("POST", "/containers/{ref:.*}/restart", _stop)
async def restart(context: Context, command: Stop) -> Outcome:
    """ContainerRestart."""
    await context.services.containers.restart(
        command.ref, grace=command.grace, signal=command.signal
    )
    return NO_CONTENT


class Kill(Struct, frozen=True):
    """Which container gets which signal, "" for SIGKILL."""

    ref: str
    signal: str


def _kill(incoming: Incoming) -> Kill:
    return Kill(incoming.ref, incoming.query.text("signal"))


@routes.add("POST", "/containers/{ref:.*}/kill", _kill)
async def kill(context: Context, command: Kill) -> Outcome:
    """ContainerKill."""
    await context.services.containers.kill(command.ref, signal=command.signal)
    return NO_CONTENT


@routes.add("POST", "/containers/{ref:.*}/pause", ByRef.of)
async def pause(context: Context, command: ByRef) -> Outcome:
    """ContainerPause."""
    await context.services.containers.pause(command.ref)
    return NO_CONTENT


@routes.add("POST", "/containers/{ref:.*}/unpause", ByRef.of)
async def unpause(context: Context, command: ByRef) -> Outcome:
    """ContainerUnpause."""
    await context.services.containers.unpause(command.ref)
    return NO_CONTENT


class Rename(Struct, frozen=True):
    """Which container gets which name."""

    ref: str
    name: str


def _rename(incoming: Incoming) -> Rename:
    return Rename(incoming.ref, incoming.query.text("name"))


@routes.add("POST", "/containers/{ref:.*}/rename", _rename)
async def rename(context: Context, command: Rename) -> Outcome:
    """ContainerRename."""
    await context.services.containers.rename(command.ref, command.name)
    return NO_CONTENT


class Remove(Struct, frozen=True, kw_only=True):
    """Which container to remove, and what with it; see `Containers.remove`."""

    ref: str
    force: bool
    volumes: bool
    link: bool


def _remove(incoming: Incoming) -> Remove:
    query = incoming.query
    return Remove(
        ref=incoming.ref,
        force=query.flag("force"),
        volumes=query.flag("v"),
        link=query.flag("link"),
    )


@routes.add("DELETE", "/containers/{ref:.*}", _remove)
async def remove(context: Context, command: Remove) -> Outcome:
    """ContainerDelete."""
    await context.services.containers.remove(
        command.ref, force=command.force, volumes=command.volumes, link=command.link
    )
    return NO_CONTENT


def _prune(incoming: Incoming) -> PruneFilters:
    return prune_filters(incoming.query, {"until", "label", "label!"}, now=incoming.now)


@routes.add("POST", "/containers/prune", _prune, since=(1, 25))
async def prune(context: Context, command: PruneFilters) -> Outcome:
    """ContainerPrune."""
    pruned = await context.services.containers.prune(command)
    return Json(ContainersPruned(pruned.deleted or None, pruned.reclaimed))


class Update(Struct, frozen=True):
    """What to change of which container."""

    ref: str
    spec: UpdateSpec


def _update(incoming: Incoming) -> Update:
    return Update(incoming.ref, convert(incoming.document, UpdateSpec))


@routes.add("POST", "/containers/{ref:.*}/update", _update, body=BodyKind.OPTIONAL_JSON)
async def update(context: Context, command: Update) -> Outcome:
    """ContainerUpdate; no warnings are null."""
    warnings = await context.services.updates.update(command.ref, command.spec)
    return Json(UpdateReply(warnings or None))


class Ports(Struct, frozen=True):
    """Which published ports to change of which container."""

    ref: str
    change: PortChange


def _ports(incoming: Incoming) -> Ports:
    return Ports(incoming.ref, convert(incoming.document, PortChange))


@routes.add("POST", "/containers/{ref:.*}/ports", _ports, body=BodyKind.OPTIONAL_JSON)
async def ports(context: Context, command: Ports) -> Outcome:
    """Change the published ports of a container that may run; not in Docker."""
    await context.services.publishing.change(command.ref, command.change)
    return NO_CONTENT


class Top(Struct, frozen=True):
    """Whose processes to list, and how."""

    ref: str
    arguments: str


def _top(incoming: Incoming) -> Top:
    return Top(incoming.ref, incoming.query.text("ps_args"))


@routes.add("GET", "/containers/{ref:.*}/top", _top)
async def top(context: Context, command: Top) -> Outcome:
    """ContainerTop."""
    listed = await context.services.containers.top(command.ref, command.arguments)
    return Json(TopReply(listed.titles, listed.processes))


class Resize(Struct, frozen=True):
    """Whose terminal gets which size."""

    ref: str
    rows: int
    columns: int


def decode_resize(incoming: Incoming) -> Resize:
    """Decode a resize of a container's or an exec's terminal."""
    rows, columns = incoming.query.integer("h"), incoming.query.integer("w")
    if rows is None or columns is None or not (0 <= rows < 65536 and 0 <= columns < 65536):
        raise InvalidArgument("invalid value for h or w: both must be from 0 to 65535")
    return Resize(incoming.ref, rows, columns)


@routes.add("POST", "/containers/{ref:.*}/resize", decode_resize)
async def resize(context: Context, command: Resize) -> Outcome:
    """ContainerResize."""
    await context.services.containers.resize(
        command.ref, rows=command.rows, columns=command.columns
    )
    return EMPTY


def _not_yet(method: str, pattern: str, what: str) -> None:
    @routes.add(method, pattern, ByRef.of)
    def refuse(context: Context, command: ByRef) -> Outcome:
        context.services.containers.get(command.ref)
        raise NotSupported(f"{what} is not supported by this engine yet")


_not_yet("GET", "/containers/{ref:.*}/checkpoints", "listing checkpoints")
_not_yet("POST", "/containers/{ref:.*}/checkpoints", "making checkpoints")
