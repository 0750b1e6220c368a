"""Builds and the build cache; and the sessions of `wharfie build`, an extension of ours."""

from __future__ import annotations

from msgspec import Struct

from wharfie.api.building.classic import classic_stream
from wharfie.api.building.parameters import build_request
from wharfie.api.building.trace import trace_stream
from wharfie.api.credentials import registry_config
from wharfie.api.filters import cache_prune
from wharfie.api.operations import EMPTY, BodyKind, Incoming, Json, Outcome, Routes
from wharfie.api.progress import begun
from wharfie.api.services import Context
from wharfie.build.request import BuildRequest
from wharfie.formats.session import ID_FIELD, PATH
from wharfie.model.build.solver import PruneRequest
from wharfie.web import Body, Hijack
from wharfie.wire.builds import CachePruned

routes = Routes()


class Build(Struct, frozen=True, kw_only=True):
    """What to build.

    Attributes:
        body: the context, where it comes with the request.
        traces: answer with every vertex, as `wharfie build` wants it, not as the classic builder.
    """

    request: BuildRequest
    body: Body
    traces: bool


def _build(incoming: Incoming) -> Build:
    request = incoming.request
    return Build(
        request=build_request(incoming.query, registry_config(request.headers)),
        body=request.body,
        traces=incoming.query.text("progress") == "trace",
    )


@routes.add("POST", "/build", _build, body=BodyKind.STREAM)
async def build(context: Context, command: Build) -> Outcome:
    """ImageBuild."""
    happenings = context.services.builds.build(command.request, aiter(command.body))
    spell = trace_stream if command.traces else classic_stream
    return await begun(spell(command.request, happenings))


class Cancel(Struct, frozen=True):
    """Which build to cancel."""

    id: str


@routes.add("POST", "/build/cancel", lambda incoming: Cancel(incoming.query.text("id")))
def cancel(context: Context, command: Cancel) -> Outcome:
    """BuildCancel."""
    context.services.builds.cancel(command.id)
    return EMPTY


def _prune(incoming: Incoming) -> PruneRequest:
    return cache_prune(incoming.query, now=incoming.now)


@routes.add("POST", "/build/prune", _prune, since=(1, 31))
async def prune(context: Context, command: PruneRequest) -> Outcome:
    """BuildPrune."""
    ids, freed = await context.services.builds.prune(command)
    return Json(CachePruned(list(ids) or None, freed))


class OpenSession(Struct, frozen=True):
    """Under which ID a connection lends what builds need."""

    id: str


def _session(incoming: Incoming) -> OpenSession:
    return OpenSession(incoming.request.headers.get(ID_FIELD.lower(), ""))


@routes.add("POST", PATH, _session)
def session(context: Context, command: OpenSession) -> Outcome:
    """Hand the connection over to the builds that name it (`formats.session`)."""
    sessions = context.services.builds.sessions
    sessions.check(command.id)

    async def take(connection: int, early: bytes) -> None:
        await sessions.serve(command.id, connection, early)

    return Hijack(take, is_lasting=True)
