"""Attach, logs and wait: what goes on while a container runs."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable
from urllib.parse import quote_plus

import msgspec
from msgspec import Struct, structs

from wharfie.api.operations import JSON, MULTIPLEXED, RAW, Incoming, Outcome, Routes
from wharfie.api.services import Context
from wharfie.engine.containers import AttachRequest
from wharfie.formats.logs.runs import LogRun
from wharfie.formats.stdcopy import encode_all
from wharfie.formats.websocket import Opcode
from wharfie.model.container import Container, ExitStatus, WaitCondition
from wharfie.model.errors import InvalidArgument
from wharfie.model.logs import LogQuery
from wharfie.web import Hijack, Stream, bridge, handshake_fields
from wharfie.wire.containers import WaitReply

routes = Routes()


class Attach(Struct, frozen=True):
    """Which container to join, and how."""

    ref: str
    request: AttachRequest


def _attach(incoming: Incoming) -> Attach:
    query = incoming.query
    return Attach(
        incoming.ref,
        AttachRequest(
            stdin=query.flag("stdin"),
            stdout=query.flag("stdout"),
            stderr=query.flag("stderr"),
            stream=query.flag("stream"),
            logs=query.flag("logs"),
            detach_keys=query.text("detachKeys"),
        ),
    )


@routes.add("POST", "/containers/{ref:.*}/attach", _attach)
def attach(context: Context, command: Attach) -> Outcome:
    """ContainerAttach: after all refusals the connection is the container's."""
    streams = context.services.streams
    container = streams.check_attach(command.ref, command.request)

    async def take(connection: int, head: bytes) -> None:
        await streams.attach(container, command.request, connection, head)

    return Hijack(take, RAW if container.config.tty else MULTIPLEXED)


class WebSocketAttach(Struct, frozen=True):
    """Which container to join over a WebSocket, and how.

    Attributes:
        accept: header fields that accept the handshake.
        opcode: of the frames that carry output.
    """

    ref: str
    request: AttachRequest
    accept: bytes
    opcode: Opcode


def _attach_websocket(incoming: Incoming) -> WebSocketAttach:
    attach = _attach(incoming)
    return WebSocketAttach(
        attach.ref,
        structs.replace(attach.request, framed=False),
        handshake_fields(incoming.request.headers),
        Opcode.TEXT if incoming.query.flag("text-frames") else Opcode.BINARY,
    )


@routes.add("GET", "/containers/{ref:.*}/attach/ws", _attach_websocket)
def attach_websocket(context: Context, command: WebSocketAttach) -> Outcome:
    """ContainerAttachWebsocket: as attach, in the frames of a WebSocket, never multiplexed."""
    streams = context.services.streams
    container = streams.check_attach(command.ref, command.request)

    async def take(connection: int, behind: bytes) -> None:
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as stack:
            stack.enter_context(ours)
            with theirs:
                await streams.attach(container, command.request, theirs.fileno(), b"")
            stack.pop_all()  # the bridge closes it
        await bridge(connection, ours, behind, opcode=command.opcode)

    return Hijack(take, headers=command.accept, protocol="websocket", is_lasting=True)


class Logs(Struct, frozen=True, kw_only=True):
    """Which entries of whose log."""

    ref: str
    query: LogQuery
    timestamps: bool
    details: bool


def _logs(incoming: Incoming) -> Logs:
    query = incoming.query
    stdout, stderr = query.flag("stdout"), query.flag("stderr")
    if not (stdout or stderr):
        raise InvalidArgument("Bad parameters: you must choose at least one stream")
    now = incoming.now
    tail = query.text("tail", "all")
    return Logs(
        ref=incoming.ref,
        query=LogQuery(
            stdout=stdout,
            stderr=stderr,
            since=query.time("since", now=now) or 0,
            until=query.time("until", now=now) or 0,
            tail=int(tail) if tail.isascii() and tail.isdecimal() and len(tail) < 10 else -1,
            follow=query.flag("follow"),
        ),
        timestamps=query.flag("timestamps"),
        details=query.flag("details"),
    )


@routes.add("GET", "/containers/{ref:.*}/logs", _logs)
def logs(context: Context, command: Logs) -> Outcome:
    """ContainerLogs; the head goes out at once, also when there is nothing to read yet."""
    container, batches = context.services.streams.logs(command.ref, command.query)
    kind = RAW if container.config.tty else MULTIPLEXED
    return Stream(_spell(container, batches, command), 200, kind)


async def _spell(
    container: Container, batches: AsyncIterator[list[LogRun]], command: Logs
) -> AsyncIterator[bytes]:
    is_framed = not container.config.tty
    async for batch in batches:
        pieces = []
        for run in batch:
            prefix = f"{run.time} ".encode() if command.timestamps else b""
            if command.details:
                prefix += _details(run.attributes)
            lines = [prefix + line for line in run.lines] if prefix else run.lines
            if is_framed:
                pieces.append(encode_all(run.stream, lines, run.end))
            else:
                pieces += (line + run.end for line in lines)
        yield b"".join(pieces)


def _details(attributes: dict[str, str]) -> bytes:
    """Attributes as `k=v,k2=v2 `, URL-encoded. Source: behaviours 92."""
    text = ",".join(
        f"{quote_plus(key)}={quote_plus(value)}" for key, value in sorted(attributes.items())
    )
    return f"{text} ".encode()


class Wait(Struct, frozen=True):
    """Whose end to wait for, and which."""

    ref: str
    condition: WaitCondition


def _wait(incoming: Incoming) -> Wait:
    text = incoming.query.text("condition") or WaitCondition.NOT_RUNNING.value
    try:
        return Wait(incoming.ref, WaitCondition(text))
    except ValueError:
        raise InvalidArgument(f'invalid condition: "{text}"') from None


@routes.add("POST", "/containers/{ref:.*}/wait", _wait)
def wait(context: Context, command: Wait) -> Outcome:
    """ContainerWait: registered now, told to the client by the head, answered at the end."""
    end = context.services.containers.wait(command.ref, command.condition)
    return Stream(_answer(end), 200, JSON)


async def _answer(end: Awaitable[ExitStatus]) -> AsyncIterator[bytes]:
    waiting = asyncio.ensure_future(end)
    try:
        status = await waiting
    finally:
        waiting.cancel()
    yield msgspec.json.encode(WaitReply.of(status)) + b"\n"
