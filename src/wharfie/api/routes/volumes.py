"""Volumes: create, list, inspect, remove, prune."""

from __future__ import annotations

from msgspec import Struct, structs

from wharfie.api.bodies import convert
from wharfie.api.filters import prune_filters, volume_filters
from wharfie.api.operations import (
    EMPTY,
    NO_CONTENT,
    TAR,
    BodyKind,
    ByRef,
    Incoming,
    Json,
    Outcome,
    Routes,
)
from wharfie.api.services import Context
from wharfie.model.errors import NotSupported
from wharfie.model.filters import PruneFilters, VolumeFilters
from wharfie.web import Body, Stream
from wharfie.wire.volumes import VolumeCreate, VolumeInspect, VolumeList, VolumesPruned

routes = Routes()


def _list(incoming: Incoming) -> VolumeFilters:
    return volume_filters(incoming.query)


@routes.add("GET", "/volumes", _list)
def select(context: Context, command: VolumeFilters) -> Outcome:
    """VolumeList."""
    found = context.services.volumes.select(command)
    return Json(VolumeList([VolumeInspect.of(volume) for volume in found]))


def _create(incoming: Incoming) -> VolumeCreate:
    return convert(incoming.document, VolumeCreate)


@routes.add("POST", "/volumes/create", _create, body=BodyKind.OPTIONAL_JSON)
async def create(context: Context, command: VolumeCreate) -> Outcome:
    """VolumeCreate."""
    if command.cluster_volume_spec is not None:
        raise NotSupported("cluster volumes are not supported by this engine")
    volume = await context.services.volumes.create(
        command.name, driver=command.driver, options=command.driver_opts, labels=command.labels
    )
    return Json(VolumeInspect.of(volume), 201)


@routes.add("GET", "/volumes/{ref:.*}/backup", ByRef.of)
async def backup(context: Context, command: ByRef) -> Outcome:
    """A volume's data as a tar; not in Docker."""
    return Stream(await context.services.volume_archives.backup(command.ref), 200, TAR)


class Restore(Struct, frozen=True):
    """A tar to unpack in a volume."""

    ref: str
    source: Body
    force: bool


def _restore(incoming: Incoming) -> Restore:
    return Restore(incoming.ref, incoming.request.body, incoming.query.flag("force"))


@routes.add("PUT", "/volumes/{ref:.*}/restore", _restore, body=BodyKind.STREAM)
async def restore(context: Context, command: Restore) -> Outcome:
    """Fill a volume from a tar; not in Docker."""
    archives = context.services.volume_archives
    await archives.restore(command.ref, aiter(command.source), force=command.force)
    return EMPTY


class Rename(Struct, frozen=True):
    """Which volume to rename, and how."""

    ref: str
    name: str


def _rename(incoming: Incoming) -> Rename:
    return Rename(incoming.ref, incoming.query.text("name"))


@routes.add("POST", "/volumes/{ref:.*}/rename", _rename)
async def rename(context: Context, command: Rename) -> Outcome:
    """Give a volume another name; not in Docker."""
    volume = await context.services.volumes.rename(command.ref, command.name)
    return Json(VolumeInspect.of(volume))


class Clone(Struct, frozen=True):
    """Which volume to copy, and what the copy is called and labelled."""

    ref: str
    body: VolumeCreate


def _clone(incoming: Incoming) -> Clone:
    return Clone(incoming.ref, convert(incoming.document, VolumeCreate))


@routes.add("POST", "/volumes/{ref:.*}/clone", _clone, body=BodyKind.OPTIONAL_JSON)
async def clone(context: Context, command: Clone) -> Outcome:
    """Copy a volume; not in Docker."""
    body = command.body
    volume = await context.services.volumes.clone(command.ref, body.name, labels=body.labels)
    return Json(VolumeInspect.of(volume), 201)


@routes.add("GET", "/volumes/{ref:.*}", ByRef.of)
def inspect(context: Context, command: ByRef) -> Outcome:
    """VolumeInspect."""
    return Json(VolumeInspect.of(context.services.volumes.get(command.ref)))


class Remove(Struct, frozen=True):
    """Which volume to remove."""

    ref: str
    force: bool


def _remove(incoming: Incoming) -> Remove:
    return Remove(incoming.ref, incoming.query.flag("force"))


@routes.add("DELETE", "/volumes/{ref:.*}", _remove)
async def remove(context: Context, command: Remove) -> Outcome:
    """VolumeDelete."""
    await context.services.volumes.remove(command.ref, force=command.force)
    return NO_CONTENT


def _prune(incoming: Incoming) -> PruneFilters:
    filters = prune_filters(incoming.query, {"all", "label", "label!"}, now=incoming.now)
    return structs.replace(filters, dry_run=incoming.query.flag("dry-run"))


@routes.add("POST", "/volumes/prune", _prune, since=(1, 25))
async def prune(context: Context, command: PruneFilters) -> Outcome:
    """VolumePrune."""
    names, reclaimed = await context.services.volumes.prune(command)
    return Json(VolumesPruned(list(names), reclaimed))
