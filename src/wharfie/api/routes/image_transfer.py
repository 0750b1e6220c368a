"""Images in and out: load, save, import, pull, and what is not there yet."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from wharfie.api.bodies import convert
from wharfie.api.credentials import registry_credentials
from wharfie.api.operations import (
    TAR,
    BodyKind,
    Incoming,
    Json,
    Outcome,
    Routes,
)
from wharfie.api.platforms import platforms
from wharfie.api.progress import progress_stream, report_stream
from wharfie.api.services import Context
from wharfie.engine.images.distribution.pulling import PullRequest
from wharfie.formats.oci.descriptor import Platform
from wharfie.model.errors import InvalidArgument, NotSupported
from wharfie.model.ids import Digest
from wharfie.model.registry import Credentials
from wharfie.web import Body, Stream

routes = Routes()


class Load(Struct, frozen=True):
    """An archive to load."""

    source: Body
    quiet: bool
    platforms: Sequence[Platform]


def _load(incoming: Incoming) -> Load:
    query = incoming.query
    return Load(incoming.request.body, query.flag("quiet", default=True), platforms(query))


@routes.add("POST", "/images/load", _load, body=BodyKind.STREAM)
def load(context: Context, command: Load) -> Outcome:
    """ImageLoad."""
    messages = context.services.images.load(
        aiter(command.source), quiet=command.quiet, platforms=command.platforms
    )
    return report_stream(messages)


class Save(Struct, frozen=True):
    """Images to save in one archive; `omit` are layers left out, an extension of ours."""

    refs: Sequence[str]
    omit: Sequence[str]
    platforms: Sequence[Platform]


def _save_one(incoming: Incoming) -> Save:
    return Save([incoming.ref], incoming.query.texts("omit"), platforms(incoming.query))


def _save_many(incoming: Incoming) -> Save:
    refs = incoming.query.texts("names")
    if not refs:
        raise InvalidArgument("no image names given: use ?names=… once or more")
    return Save(refs, incoming.query.texts("omit"), platforms(incoming.query))


@routes.add("GET", "/images/get", _save_many)
def save_many(context: Context, command: Save) -> Outcome:
    """ImageGetAll."""
    return _archive(context, command)


@routes.add("GET", "/images/{ref:.*}/get", _save_one)
def save_one(context: Context, command: Save) -> Outcome:
    """ImageGet."""
    return _archive(context, command)


def _archive(context: Context, command: Save) -> Outcome:
    omit = frozenset(Digest(text) for text in command.omit)
    archive = context.services.images.save(command.refs, omit=omit, platforms=command.platforms)
    return Stream(archive, 200, TAR)


class Layers(Struct, frozen=True):
    """Layers of an image by diff ID, base first."""

    diff_ids: list[Digest] = field(name="DiffIDs")


class Missing(Struct, frozen=True):
    """Which of them are not here."""

    missing: list[Digest] = field(name="Missing")


def _layers(incoming: Incoming) -> Layers:
    return convert(incoming.document, Layers)


@routes.add("POST", "/images/missing", _layers, body=BodyKind.JSON)
def missing(context: Context, command: Layers) -> Outcome:
    """Tell which layers an archive of an image must hold: an extension of ours, for copying."""
    return Json(Missing(context.services.images.missing_layers(command.diff_ids)))


class Create(Struct, frozen=True, kw_only=True):
    """A pull (`image`) or an import (`source`)."""

    image: str
    tag: str
    source_name: str
    source: Body
    repository: str
    message: str
    changes: Sequence[str]
    platform: str
    credentials: Credentials


def _create(incoming: Incoming) -> Create:
    query = incoming.query
    return Create(
        image=query.text("fromImage"),
        tag=query.text("tag"),
        source_name=query.text("fromSrc"),
        source=incoming.request.body,
        repository=query.text("repo"),
        message=query.text("message"),
        changes=query.texts("changes"),
        platform=query.text("platform"),
        credentials=registry_credentials(incoming.request.headers),
    )


@routes.add("POST", "/images/create", _create, body=BodyKind.STREAM)
async def create(context: Context, command: Create) -> Outcome:
    """ImageCreate: a pull, or an import of the body."""
    images = context.services.images
    if command.image:
        separator = "@" if ":" in command.tag else ":"
        ref = f"{command.image}{separator}{command.tag}" if command.tag else command.image
        request = PullRequest(
            ref=ref.removesuffix(":"),
            platform=command.platform,
            credentials=command.credentials,
        )
        return await progress_stream(images.pull(request))
    if command.source_name != "-":
        raise NotSupported(
            f"importing from {command.source_name or 'nowhere'}: only from the request's body "
            "(fromSrc=-); fetch the file first"
        )
    messages = images.import_(
        aiter(command.source),
        repository=command.repository,
        tag=command.tag,
        message=command.message,
        changes=command.changes,
        platform=command.platform,
    )
    return await progress_stream(messages)
