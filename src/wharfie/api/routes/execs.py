"""Exec instances: create, start, resize, inspect."""

from __future__ import annotations

from collections.abc import Awaitable

from msgspec import Struct

from wharfie.api.bodies import convert
from wharfie.api.operations import (
    EMPTY,
    MULTIPLEXED,
    RAW,
    BodyKind,
    ByRef,
    Incoming,
    Json,
    Outcome,
    Routes,
)
from wharfie.api.routes.containers import Resize, decode_resize
from wharfie.api.services import Context
from wharfie.engine.exec import ExecStart
from wharfie.model.exec import Exec, ExecConfig
from wharfie.web import Hijack
from wharfie.wire.containers import IdReply
from wharfie.wire.execs import ExecInspect

routes = Routes()


class Create(Struct, frozen=True):
    """What to run where."""

    ref: str
    config: ExecConfig


def _create(incoming: Incoming) -> Create:
    return Create(incoming.ref, convert(incoming.document, ExecConfig))


@routes.add("POST", "/containers/{ref:.*}/exec", _create, body=BodyKind.OPTIONAL_JSON)
async def create(context: Context, command: Create) -> Outcome:
    """ContainerExec."""
    made = await context.services.execs.create(command.ref, command.config)
    return Json(IdReply(made.id), 201)


class Start(Struct, frozen=True):
    """Which instance to start, and how."""

    ref: str
    body: ExecStart


def _start(incoming: Incoming) -> Start:
    return Start(incoming.ref, convert(incoming.document, ExecStart))


@routes.add("POST", "/exec/{ref}/start", _start, body=BodyKind.OPTIONAL_JSON)
def start(context: Context, command: Start) -> Outcome | Awaitable[Outcome]:
    """ExecStart: with a client the connection is the process's, else it is only started."""
    execs = context.services.execs
    exec_ = execs.check_start(command.ref, command.body)
    if command.body.detach:
        return _start_detached(context, exec_)

    async def take(connection: int, head: bytes) -> None:
        await execs.start_attached(exec_, command.body, connection, head)

    return Hijack(take, RAW if command.body.tty else MULTIPLEXED)


async def _start_detached(context: Context, exec_: Exec) -> Outcome:
    await context.services.execs.start_detached(exec_)
    return EMPTY


@routes.add("POST", "/exec/{ref}/resize", decode_resize)
async def resize(context: Context, command: Resize) -> Outcome:
    """ExecResize."""
    await context.services.execs.resize(command.ref, rows=command.rows, columns=command.columns)
    return EMPTY


@routes.add("GET", "/exec/{ref}/json", ByRef.of)
def inspect(context: Context, command: ByRef) -> Outcome:
    """ExecInspect."""
    return Json(ExecInspect.of(context.services.execs.get(command.ref)))
