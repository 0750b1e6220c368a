"""Images: list, inspect, history, tag, remove, prune."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, Struct

from wharfie.api.filters import image_filters, prune_filters
from wharfie.api.operations import (
    ByRef,
    Incoming,
    Json,
    Outcome,
    Routes,
)
from wharfie.api.services import Context
from wharfie.engine.images.service import Deletion
from wharfie.model.filters import ImageFilters, PruneFilters
from wharfie.web import Response
from wharfie.wire.images import (
    DeletedImage,
    ImageInspect,
    ImagesPruned,
    ImageSummary,
    history_of,
)

routes = Routes()


class List(Struct, frozen=True, kw_only=True):
    """Which images to list."""

    filters: ImageFilters
    all_: bool
    shared_size: bool


def _list(incoming: Incoming) -> List:
    query = incoming.query
    return List(
        filters=image_filters(query, now=incoming.now),
        all_=query.flag("all"),
        shared_size=query.flag("shared-size"),
    )


@routes.add("GET", "/images/json", _list)
def select(context: Context, command: List) -> Outcome:
    """ImageList."""
    images = context.services.images
    return Json(
        [
            ImageSummary.of(
                image,
                containers=len(images.users(image)),
                shared_size=images.shared_size(image) if command.shared_size else -1,
            )
            for image in images.select(command.filters, all_=command.all_)
        ]
    )


@routes.add("GET", "/images/{ref:.*}/json", ByRef.of)
def inspect(context: Context, command: ByRef) -> Outcome:
    """ImageInspect."""
    image = context.services.images.get(command.ref)
    return Json(ImageInspect.of(image, graph=context.graph.image(image)))


@routes.add("GET", "/images/{ref:.*}/history", ByRef.of)
def history(context: Context, command: ByRef) -> Outcome:
    """ImageHistory."""
    images = context.services.images
    image = images.get(command.ref)
    return Json(history_of(image, context.graph.layer_sizes(image), images.ancestors(image)))


class Tag(Struct, frozen=True):
    """Which image gets which further name."""

    ref: str
    repository: str
    tag: str


def _tag(incoming: Incoming) -> Tag:
    return Tag(incoming.ref, incoming.query.text("repo"), incoming.query.text("tag"))


@routes.add("POST", "/images/{ref:.*}/tag", _tag)
async def tag(context: Context, command: Tag) -> Outcome:
    """ImageTag."""
    await context.services.images.tag(command.ref, repository=command.repository, tag=command.tag)
    return Response(201)


class Remove(Struct, frozen=True):
    """Which image to remove; `prune` takes untagged parents along."""

    ref: str
    force: bool
    prune: bool


def _remove(incoming: Incoming) -> Remove:
    query = incoming.query
    return Remove(incoming.ref, query.flag("force"), not query.flag("noprune"))


@routes.add("DELETE", "/images/{ref:.*}", _remove)
async def remove(context: Context, command: Remove) -> Outcome:
    """ImageDelete."""
    deletions = await context.services.images.remove(
        command.ref, force=command.force, prune=command.prune
    )
    return Json(_effects(deletions))


def _prune(incoming: Incoming) -> PruneFilters:
    allowed = {"dangling", "until", "label", "label!"}
    return prune_filters(incoming.query, allowed, now=incoming.now)


@routes.add("POST", "/images/prune", _prune, since=(1, 25))
async def prune(context: Context, command: PruneFilters) -> Outcome:
    """ImagePrune."""
    deletions, reclaimed = await context.services.images.prune(command)
    return Json(ImagesPruned(_effects(deletions) or None, reclaimed))


def _effects(deletions: Sequence[Deletion]) -> list[DeletedImage]:
    return [DeletedImage(one.untagged or UNSET, one.deleted or UNSET) for one in deletions]
