"""Commit: an image of a container."""

from __future__ import annotations

from msgspec import Struct

from wharfie.api.bodies import convert
from wharfie.api.operations import BodyKind, Incoming, Json, Outcome, Routes
from wharfie.api.services import Context
from wharfie.engine.containers import CommitSpec
from wharfie.model.container import Config
from wharfie.wire.containers import IdReply

routes = Routes()


class Commit(Struct, frozen=True):
    """Which container becomes an image, and how."""

    ref: str
    spec: CommitSpec


def _commit(incoming: Incoming) -> Commit:
    query, document = incoming.query, incoming.document
    return Commit(
        query.text("container"),
        CommitSpec(
            repository=query.text("repo"),
            tag=query.text("tag"),
            comment=query.text("comment"),
            author=query.text("author"),
            pause=query.flag("pause", default=True),
            changes=query.texts("changes"),
            config=convert(document, Config) if document else None,
        ),
    )


@routes.add("POST", "/commit", _commit, body=BodyKind.OPTIONAL_JSON)
async def commit(context: Context, command: Commit) -> Outcome:
    """ImageCommit."""
    image_id = await context.services.commits.commit(command.ref, command.spec)
    return Json(IdReply(image_id), 201)
