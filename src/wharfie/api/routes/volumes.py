"""Volumes: create, list, inspect, remove, prune."""

from __future__ import annotations

from msgspec import Struct

from wharfie.api.bodies import convert
from wharfie.api.filters import prune_filters, volume_filters
from wharfie.api.operations import (
    NO_CONTENT,
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
    return prune_filters(incoming.query, {"all", "label", "label!"}, now=incoming.now)


@routes.add("POST", "/volumes/prune", _prune, since=(1, 25))
async def prune(context: Context, command: PruneFilters) -> Outcome:
    """VolumePrune."""
    names, reclaimed = await context.services.volumes.prune(command)
    return Json(VolumesPruned(list(names) or None, reclaimed))
