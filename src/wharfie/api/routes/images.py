"""Images: list, inspect, history, tag, remove, prune."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import UNSET, Struct, structs

from wharfie.api.filters import image_filters, prune_filters
from wharfie.api.operations import (
    Incoming,
    Json,
    Outcome,
    Routes,
)
from wharfie.api.platforms import platform, platforms
from wharfie.api.services import Context
from wharfie.engine.images.service import Deletion
from wharfie.formats.oci.descriptor import Platform
from wharfie.model.errors import InvalidArgument
from wharfie.model.filters import ImageFilters, PruneFilters
from wharfie.model.image import Image
from wharfie.web import Response
from wharfie.wire.images import (
    DeletedImage,
    ImageInspect,
    ImagesPruned,
    ImageSummary,
    ManifestSummary,
    history_of,
)

routes = Routes()


class List(Struct, frozen=True, kw_only=True):
    """Which images to list."""

    filters: ImageFilters
    all_: bool
    shared_size: bool
    manifests: bool


def _list(incoming: Incoming) -> List:
    query = incoming.query
    return List(
        filters=image_filters(query, now=incoming.now),
        all_=query.flag("all"),
        shared_size=query.flag("shared-size"),
        manifests=query.flag("manifests"),
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
                manifests=_manifests(context, image) if command.manifests else UNSET,
            )
            for image in images.select(command.filters, all_=command.all_)
        ]
    )


class Show(Struct, frozen=True, kw_only=True):
    """An image to show, which must be for one of the platforms where any are given."""

    ref: str
    platforms: Sequence[Platform]
    manifests: bool


def _show(incoming: Incoming) -> Show:
    wanted = platform(incoming.query)
    return Show(
        ref=incoming.ref,
        platforms=[] if wanted is None else [wanted],
        manifests=incoming.query.flag("manifests"),
    )


def _inspect(incoming: Incoming) -> Show:
    command = _show(incoming)
    if command.platforms and command.manifests:
        raise InvalidArgument(
            "conflicting options: manifests and platform options cannot both be set"
        )
    return command


@routes.add("GET", "/images/{ref:.*}/json", _inspect)
def inspect(context: Context, command: Show) -> Outcome:
    """ImageInspect."""
    image = context.services.images.get(command.ref, platforms=command.platforms)
    return Json(
        ImageInspect.of(
            image,
            graph=context.graph.image(image),
            manifests=_manifests(context, image) if command.manifests else UNSET,
        )
    )


def _manifests(context: Context, image: Image) -> list[ManifestSummary]:
    users = [use.container_id for use in context.services.images.users(image)]
    return ManifestSummary.all_of(image, containers=users)


@routes.add("GET", "/images/{ref:.*}/history", _show)
def history(context: Context, command: Show) -> Outcome:
    """ImageHistory."""
    images = context.services.images
    image = images.get(command.ref, platforms=command.platforms)
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
    platforms: Sequence[Platform]


def _remove(incoming: Incoming) -> Remove:
    query = incoming.query
    wanted = platforms(query, "platforms")
    return Remove(incoming.ref, query.flag("force"), not query.flag("noprune"), wanted)


@routes.add("DELETE", "/images/{ref:.*}", _remove)
async def remove(context: Context, command: Remove) -> Outcome:
    """ImageDelete."""
    deletions = await context.services.images.remove(
        command.ref, force=command.force, prune=command.prune, platforms=command.platforms
    )
    return Json(_effects(deletions))


def _prune(incoming: Incoming) -> PruneFilters:
    allowed = {"dangling", "until", "label", "label!"}
    filters = prune_filters(incoming.query, allowed, now=incoming.now)
    return structs.replace(filters, dry_run=incoming.query.flag("dry-run"))


@routes.add("POST", "/images/prune", _prune, since=(1, 25))
async def prune(context: Context, command: PruneFilters) -> Outcome:
    """ImagePrune."""
    deletions, reclaimed = await context.services.images.prune(command)
    return Json(ImagesPruned(_effects(deletions) or None, reclaimed))


def _effects(deletions: Sequence[Deletion]) -> list[DeletedImage]:
    return [DeletedImage(one.untagged or UNSET, one.deleted or UNSET) for one in deletions]
