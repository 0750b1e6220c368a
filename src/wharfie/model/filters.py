"""Typed filters: what `filters=` and `--filter` mean once parsed.

Values of one key are alternatives, keys must all hold (labels: all of them). Empty means the
key was not given. Parsing is `api/query.py`; matching is each noun's. Source: behaviours 150.
"""

from __future__ import annotations

from msgspec import Struct, field


class LabelMatch(Struct, frozen=True):
    """A label filter: `key` or `key=value`; `value` None accepts any."""

    key: str
    value: str | None = None


class ContainerFilters(Struct, frozen=True, kw_only=True):
    """Filters of `GET /containers/json`."""

    ids: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    labels: list[LabelMatch] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    exited: list[int] = field(default_factory=list)
    ancestors: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    since: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    publish: list[str] = field(default_factory=list)
    expose: list[str] = field(default_factory=list)


class PruneFilters(Struct, frozen=True, kw_only=True):
    """Filters of prunes; `until` in nanoseconds since the epoch, None for no bound.

    With `dry_run` nothing is removed, only told.
    """

    until: int | None = None
    labels: list[LabelMatch] = field(default_factory=list)
    not_labels: list[LabelMatch] = field(default_factory=list)
    dangling: bool | None = None
    all: bool = False
    dry_run: bool = False


class ImageFilters(Struct, frozen=True, kw_only=True):
    """Filters of `GET /images/json`."""

    dangling: bool | None = None
    labels: list[LabelMatch] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    since: list[str] = field(default_factory=list)
    until: int | None = None
    references: list[str] = field(default_factory=list)


class NetworkFilters(Struct, frozen=True, kw_only=True):
    """Filters of `GET /networks`."""

    ids: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    drivers: list[str] = field(default_factory=list)
    labels: list[LabelMatch] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    dangling: bool | None = None


class VolumeFilters(Struct, frozen=True, kw_only=True):
    """Filters of `GET /volumes`."""

    names: list[str] = field(default_factory=list)
    drivers: list[str] = field(default_factory=list)
    labels: list[LabelMatch] = field(default_factory=list)
    dangling: bool | None = None


class EventFilters(Struct, frozen=True, kw_only=True):
    """Filters of `GET /events`."""

    types: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    containers: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    networks: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    daemons: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    labels: list[LabelMatch] = field(default_factory=list)


def has_labels(wanted: list[LabelMatch], labels: dict[str, str]) -> bool:
    """Tell whether `labels` satisfies every wanted label."""
    return all(match.key in labels and match.value in (None, labels[match.key]) for match in wanted)
