"""Which images a list shows: pure matching of typed filters. Source: behaviours 140, 146, 150."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from msgspec import structs

from wharfie.engine.images.records.catalog import Catalog
from wharfie.formats.pathmatch import InvalidPattern, Matcher, compile_pattern
from wharfie.formats.reference import parse_reference
from wharfie.model.errors import InvalidArgument
from wharfie.model.filters import ImageFilters, PruneFilters, has_labels
from wharfie.model.image import Image

_FRACTION = re.compile(r"\.(\d+)")


def select(
    catalog: Catalog, filters: ImageFilters, *, all_: bool, find: Callable[[str], Image]
) -> list[Image]:
    """Images newest first, filtered; `reference` filters also narrow an image's tags.

    Args:
        catalog: all images.
        filters: what is asked for.
        all_: also nameless images others are built upon.
        find: resolves `before` and `since`; may raise NoSuchImage.
    """
    before = [created_at(find(ref)) for ref in filters.before]
    since = [created_at(find(ref)) for ref in filters.since]
    chosen: list[Image] = []
    for image in sorted(catalog, key=lambda image: (created_at(image), image.id), reverse=True):
        created = created_at(image)
        if (before and created >= min(before)) or (since and created <= max(since)):
            continue
        if filters.until is not None and created >= filters.until:
            continue
        if not has_labels(filters.labels, labels_of(image)):
            continue
        shown = _narrowed(image, filters.references) if filters.references else image
        if shown is not None and _is_shown(catalog, image, filters.dangling, all_=all_):
            chosen.append(shown)
    return chosen


def is_prunable(catalog: Catalog, image: Image, filters: PruneFilters) -> bool:
    """Tell whether a prune takes an image that no container uses."""
    if filters.until is not None and created_at(image) >= filters.until:
        return False
    labels = labels_of(image)
    if any(has_labels([unwanted], labels) for unwanted in filters.not_labels):
        return False
    if not has_labels(filters.labels, labels):
        return False
    if filters.all or filters.dangling is False:
        return True
    return not image.tags and not catalog.children(image.id)


def labels_of(image: Image) -> dict[str, str]:
    """An image's labels."""
    config = image.document.config
    return (config.labels if config else None) or {}


def created_at(image: Image) -> int:
    """Nanoseconds since the epoch at which an image was made; 0 when it does not say."""
    return nanoseconds_of(image.document.created)


def nanoseconds_of(text: str) -> int:
    """An RFC 3339 time, as nanoseconds since the epoch; 0 for none and for nonsense."""
    if not text:
        return 0
    fraction = _FRACTION.search(text)
    nanoseconds = int(fraction[1][:9].ljust(9, "0")) if fraction else 0
    try:
        moment = datetime.fromisoformat(_FRACTION.sub("", text).replace("Z", "+00:00"))
        seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return 0
    return max(0, seconds * 1_000_000_000 + nanoseconds)


def _is_shown(catalog: Catalog, image: Image, dangling: bool | None, *, all_: bool) -> bool:
    if image.tags:
        return dangling is not True
    if dangling is False:
        return False
    is_intermediate = bool(catalog.children(image.id))
    return not is_intermediate or (all_ and dangling is None)


def _narrowed(image: Image, patterns: Sequence[str]) -> Image | None:
    """The image with the names that match, None when none does."""
    matchers = [_glob(pattern) for pattern in patterns]
    tags = [tag for tag in image.tags if _matches(tag, matchers)]
    digests = [digest for digest in image.digests if _matches(digest, matchers)]
    return structs.replace(image, tags=tags, digests=digests) if tags or digests else None


def _matches(name: str, matchers: Sequence[Matcher]) -> bool:
    reference = parse_reference(name)
    candidates = (reference.familiar(), reference.familiar_name)
    return any(matcher(candidate) for matcher in matchers for candidate in candidates)


def _glob(pattern: str) -> Matcher:
    try:
        return compile_pattern(pattern)
    except InvalidPattern as error:
        raise InvalidArgument(f"invalid reference filter {pattern!r}: {error}") from None
