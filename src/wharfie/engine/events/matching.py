"""Which events a filter lets through. Source: behaviours 105."""

from __future__ import annotations

from collections.abc import Sequence

from wharfie.model.event import Event
from wharfie.model.filters import EventFilters, has_labels

_FAMILIES = ("exec_create", "exec_start", "health_status")


def matches(event: Event, filters: EventFilters) -> bool:
    """Tell whether every given key of `filters` accepts `event`."""
    attributes = event.actor.attributes
    return (
        _is_one_of(event.type, filters.types)
        and _is_one_of(event.scope, filters.scopes)
        and _has_action(event.action, filters.actions)
        and _names(event, filters.containers)
        and _names(event, filters.networks)
        and _names(event, filters.volumes)
        and _names(event, filters.daemons)
        and _has_image(event, filters.images)
        and has_labels(filters.labels, attributes)
    )


def _is_one_of(value: str, wanted: Sequence[str]) -> bool:
    return not wanted or value in wanted


def _has_action(action: str, wanted: Sequence[str]) -> bool:
    if not wanted or action in wanted:
        return True
    family = action.partition(":")[0]
    return family in _FAMILIES and family in wanted


def _names(event: Event, wanted: Sequence[str]) -> bool:
    """Match an object by ID or name, or a prefix of one; whatever kind of object it is."""
    if not wanted:
        return True
    candidates = (event.actor.id, event.actor.attributes.get("name", ""))
    return any(value.startswith(want) for value in candidates if value for want in wanted)


def _has_image(event: Event, wanted: Sequence[str]) -> bool:
    if not wanted:
        return True
    if event.type == "image":
        candidates = {event.actor.id, event.actor.attributes.get("name", "")}
    else:
        candidates = {event.actor.id, event.actor.attributes.get("image", "")}
    plain = {_without_tag(value) for value in candidates if value}
    return any(want in candidates or want in plain for want in wanted)


def _without_tag(ref: str) -> str:
    name, colon, tag = ref.rpartition(":")
    return name if colon and "/" not in tag else ref
