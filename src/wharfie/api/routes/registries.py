"""Registries: push, login, distribution inspect, search."""

from __future__ import annotations

from msgspec import Struct

from wharfie.api.credentials import credentials_of, registry_credentials
from wharfie.api.filters import FilterMap
from wharfie.api.operations import BodyKind, Incoming, Json, Outcome, Routes
from wharfie.api.platforms import platform
from wharfie.api.progress import progress_stream
from wharfie.api.services import Context
from wharfie.engine.images.distribution.pushing import PushRequest
from wharfie.engine.images.distribution.remote import SearchFilters
from wharfie.model.errors import InvalidArgument
from wharfie.model.registry import Credentials
from wharfie.wire.registries import AuthReply, DistributionInspect, SearchItem

routes = Routes()


def _push(incoming: Incoming) -> PushRequest:
    query = incoming.query
    return PushRequest(
        name=incoming.ref,
        tag=query.text("tag"),
        platform=platform(query),
        credentials=registry_credentials(incoming.request.headers),
    )


@routes.add("POST", "/images/{ref:.*}/push", _push)
async def push(context: Context, command: PushRequest) -> Outcome:
    """ImagePush."""
    return await progress_stream(context.services.images.push(command))


class Login(Struct, frozen=True):
    """Credentials to check."""

    credentials: Credentials


def _login(incoming: Incoming) -> Login:
    return Login(credentials_of(incoming.document))


@routes.add("POST", "/auth", _login, body=BodyKind.JSON)
async def auth(context: Context, command: Login) -> Outcome:
    """SystemAuth."""
    done = await context.services.registries.login(command.credentials)
    return Json(AuthReply(done.status, done.identity_token))


class Distribution(Struct, frozen=True):
    """What to look up, and as whom."""

    ref: str
    credentials: Credentials


def _distribution(incoming: Incoming) -> Distribution:
    return Distribution(incoming.ref, registry_credentials(incoming.request.headers))


@routes.add("GET", "/distribution/{ref:.*}/json", _distribution, since=(1, 30))
async def distribution(context: Context, command: Distribution) -> Outcome:
    """DistributionInspect."""
    found = await context.services.registries.inspect(command.ref, command.credentials)
    return Json(DistributionInspect(found.descriptor, list(found.platforms)))


class Search(Struct, frozen=True, kw_only=True):
    """What to search for."""

    term: str
    limit: int
    filters: SearchFilters
    credentials: Credentials


def _search(incoming: Incoming) -> Search:
    query = incoming.query
    given = FilterMap(query, {"is-automated", "is-official", "stars"})
    limit = query.text("limit")
    try:
        number = int(limit) if limit else 0
        stars = max((int(text) for text in given.texts("stars")), default=0)
    except ValueError:
        raise InvalidArgument("invalid limit or number of stars: not a number") from None
    return Search(
        term=query.text("term"),
        limit=number,
        filters=SearchFilters(
            stars=stars,
            is_official=given.boolean("is-official"),
            is_automated=given.boolean("is-automated"),
        ),
        credentials=registry_credentials(incoming.request.headers),
    )


@routes.add("GET", "/images/search", _search)
async def search(context: Context, command: Search) -> Outcome:
    """ImageSearch."""
    found = await context.services.registries.search(
        command.term, command.credentials, limit=command.limit, filters=command.filters
    )
    return Json([SearchItem.of(result) for result in found])
