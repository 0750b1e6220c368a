"""`filters=` to the typed filters of the model.

Two spellings are accepted, `{"key": ["value"]}` and the older `{"key": {"value": true}}`, which
the CLI still sends. An unknown key is refused. Source: api.md §2; behaviours 144–150.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from wharfie.api.query import Query
from wharfie.api.times import parse_time
from wharfie.model.build.solver import PruneRequest
from wharfie.model.errors import InvalidArgument
from wharfie.model.filters import (
    ContainerFilters,
    EventFilters,
    ImageFilters,
    LabelMatch,
    NetworkFilters,
    PruneFilters,
    VolumeFilters,
)

_DECODER = msgspec.json.Decoder()
_CACHE_FILTERS = (
    "until",
    "unused-for",
    "id",
    "parent",
    "type",
    "description",
    "inuse",
    "shared",
    "private",
)
_TRUE = frozenset({"1", "t", "true", "T", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "false", "F", "FALSE", "False"})


class FilterMap:
    """Filters as sent: values by key, read through the typed accessors below."""

    def __init__(self, query: Query, allowed: Collection[str]) -> None:
        """Parse and check the keys.

        Raises:
            InvalidArgument: malformed, or a key not in `allowed`.
        """
        self._values = _parse(query.text("filters"))
        for key in self._values:
            if key not in allowed:
                raise InvalidArgument(f"invalid filter '{key}'")

    def texts(self, key: str) -> list[str]:
        """All values of a key."""
        return self._values.get(key, [])

    def labels(self, key: str = "label") -> list[LabelMatch]:
        """Values of a label key, split at the equals sign."""
        matches: list[LabelMatch] = []
        for text in self.texts(key):
            name, equals, value = text.partition("=")
            matches.append(LabelMatch(name, value if equals else None))
        return matches

    def boolean(self, key: str) -> bool | None:
        """A bool, None where not given.

        Raises:
            InvalidArgument: no bool, or both.
        """
        values = set(self.texts(key))
        if not values:
            return None
        if len(values) == 1 and values <= _TRUE:
            return True
        if len(values) == 1 and values <= _FALSE:
            return False
        raise InvalidArgument(f"invalid filter '{key}={sorted(values)}'")

    def integers(self, key: str) -> list[int]:
        """Whole numbers."""
        try:
            return [int(text) for text in self.texts(key)]
        except ValueError:
            raise InvalidArgument(f"invalid filter '{key}={self.texts(key)}'") from None

    def until(self, *, now: int) -> int | None:
        """The one allowed `until`, in nanoseconds since the epoch."""
        values = self.texts("until")
        if not values:
            return None
        if len(values) > 1:
            raise InvalidArgument("more than one until filter specified")
        return parse_time(values[0], now=now)


def container_filters(query: Query) -> ContainerFilters:
    """Filters of `GET /containers/json`."""
    given = FilterMap(
        query,
        {
            "ancestor",
            "before",
            "exited",
            "expose",
            "health",
            "id",
            "isolation",
            "is-task",
            "label",
            "name",
            "network",
            "publish",
            "since",
            "status",
            "volume",
        },
    )
    if given.boolean("is-task"):
        raise InvalidArgument("invalid filter 'is-task=true': this engine runs no swarm tasks")
    return ContainerFilters(
        ids=given.texts("id"),
        names=given.texts("name"),
        labels=given.labels(),
        statuses=given.texts("status"),
        exited=given.integers("exited"),
        ancestors=given.texts("ancestor"),
        before=given.texts("before"),
        since=given.texts("since"),
        health=given.texts("health"),
        volumes=given.texts("volume"),
        networks=given.texts("network"),
        publish=given.texts("publish"),
        expose=given.texts("expose"),
    )


def image_filters(query: Query, *, now: int) -> ImageFilters:
    """Filters of `GET /images/json`."""
    given = FilterMap(query, {"dangling", "label", "before", "since", "reference", "until"})
    return ImageFilters(
        dangling=given.boolean("dangling"),
        labels=given.labels(),
        before=given.texts("before"),
        since=given.texts("since"),
        until=given.until(now=now),
        references=given.texts("reference"),
    )


def network_filters(query: Query) -> NetworkFilters:
    """Filters of `GET /networks`."""
    given = FilterMap(query, {"dangling", "driver", "id", "label", "name", "scope", "type"})
    return NetworkFilters(
        ids=given.texts("id"),
        names=given.texts("name"),
        drivers=given.texts("driver"),
        labels=given.labels(),
        scopes=given.texts("scope"),
        types=given.texts("type"),
        dangling=given.boolean("dangling"),
    )


def volume_filters(query: Query) -> VolumeFilters:
    """Filters of `GET /volumes`."""
    given = FilterMap(query, {"dangling", "driver", "label", "name"})
    return VolumeFilters(
        names=given.texts("name"),
        drivers=given.texts("driver"),
        labels=given.labels(),
        dangling=given.boolean("dangling"),
    )


def event_filters(query: Query) -> EventFilters:
    """Filters of `GET /events`; kinds of objects this engine lacks match nothing, as a type."""
    given = FilterMap(
        query,
        {
            "config",
            "container",
            "daemon",
            "event",
            "image",
            "label",
            "network",
            "node",
            "plugin",
            "scope",
            "secret",
            "service",
            "type",
            "volume",
        },
    )
    types = list(given.texts("type"))
    types += [k for k in ("config", "node", "plugin", "secret", "service") if given.texts(k)]
    return EventFilters(
        types=types,
        actions=given.texts("event"),
        containers=given.texts("container"),
        images=given.texts("image"),
        networks=given.texts("network"),
        volumes=given.texts("volume"),
        daemons=given.texts("daemon"),
        scopes=given.texts("scope"),
        labels=given.labels(),
    )


def prune_filters(query: Query, allowed: Collection[str], *, now: int) -> PruneFilters:
    """Filters of a prune; which keys are allowed is the noun's."""
    given = FilterMap(query, allowed)
    return PruneFilters(
        until=given.until(now=now),
        labels=given.labels(),
        not_labels=given.labels("label!"),
        dangling=given.boolean("dangling"),
        all=given.boolean("all") or False,
    )


def cache_prune(query: Query, *, now: int) -> PruneRequest:
    """`POST /build/prune`: filters and bounds, the older name of one bound included."""
    given = FilterMap(query, _CACHE_FILTERS)
    until = [*given.texts("until"), *given.texts("unused-for")]
    if len(until) > 1:
        raise InvalidArgument("filters expect only one value")
    before = None
    if until:
        try:
            before = parse_time(until[0], now=now)
        except InvalidArgument:
            raise InvalidArgument(
                "\"until\" filter expects a duration (e.g., '24h') or a timestamp: failed to "
                f'parse value as time or duration: "{until[0]}"'
            ) from None
    return PruneRequest(
        all=query.flag("all"),
        reserved=query.integer("reserved-space") or query.integer("keep-storage") or 0,
        maximum=query.integer("max-used-space") or 0,
        minimum_free=query.integer("min-free-space") or 0,
        filters={name: given.texts(name) for name in _CACHE_FILTERS if given.texts(name)},
        before=before,
    )


def _parse(text: str) -> dict[str, list[str]]:
    if not text:
        return {}
    try:
        document = _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise InvalidArgument("invalid filter") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InvalidArgument("invalid filter")
    return {key: _values(given) for key, given in document.items()}


def _values(given: object) -> list[str]:
    if isinstance(given, dict):
        given = [value for value, wanted in given.items() if wanted is not False]
    if not isinstance(given, list) or not all(isinstance(value, str) for value in given):
        raise InvalidArgument("invalid filter")
    return list(dict.fromkeys(given))
