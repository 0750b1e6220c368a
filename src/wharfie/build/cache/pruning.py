"""Which entries of the build cache go. Pure.

Source: Engine API 1.51, BuildPrune; BuildKit's `cache/manager.go` (`calculateKeepBytes`, `prune`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wharfie.formats.duration import parse_duration
from wharfie.formats.timestamps import parse_rfc3339
from wharfie.model.build.solver import CacheRecord, PruneRequest
from wharfie.model.errors import InvalidArgument

_INTERNAL = ("internal", "frontend")
_Test = Callable[[CacheRecord], bool]


def choose(
    records: Sequence[CacheRecord], request: PruneRequest, *, now: float, free: int
) -> list[CacheRecord]:
    """Entries to be deleted, least lately used first.

    Args:
        records: all entries.
        request: what the caller wants.
        now: seconds since the epoch.
        free: bytes free on the file system.

    Raises:
        InvalidArgument: a filter nobody knows, or a malformed one.
    """
    tests = _tests(request.filters, now)
    total = sum(record.size for record in records)
    keep = _bytes_to_keep(request, total, free)
    chosen: list[CacheRecord] = []
    for record in sorted(records, key=_by_use):
        if keep is not None and total <= keep:
            break
        is_wanted = request.all or not (record.shared or record.kind in _INTERNAL)
        if record.in_use or not is_wanted or not all(test(record) for test in tests):
            continue
        chosen.append(record)
        total -= record.size
    return chosen


def _by_use(record: CacheRecord) -> tuple[str, str]:
    """Of those used at the same time the younger one first: others do not stand on it."""
    return record.used, "".join(chr(0x10FFFF - ord(char)) for char in record.created)


def _bytes_to_keep(request: PruneRequest, total: int, free: int) -> int | None:
    """What may stay; None where there is no bound, and so nothing stays."""
    if not (request.reserved or request.maximum or request.minimum_free):
        return None
    keep = request.maximum
    lacking = request.minimum_free - free
    if lacking > 0:
        keep = min(keep, total - lacking) if keep else total - lacking
    elif not keep and not request.reserved:
        return total  # there is room enough
    return max(keep, request.reserved)


def _tests(filters: dict[str, list[str]], now: float) -> list[_Test]:
    tests: list[_Test] = []
    for name, values in filters.items():
        make = _FILTERS.get(name)
        if make is None:
            raise InvalidArgument(f"invalid filter '{name}'")
        if name in ("until", "unused-for"):
            tests.append(_until(values, now))
        else:
            tests.append(make(values))
    return tests


def _until(values: list[str], now: float) -> _Test:
    """Not used for so long, or since that moment."""
    limits = [_moment(value, now) for value in values]

    def test(record: CacheRecord) -> bool:
        used = parse_rfc3339(record.used or record.created)
        return used is not None and all(used[0] + used[1] / 1e9 <= limit for limit in limits)

    return test


def _moment(value: str, now: float) -> float:
    stamp = parse_rfc3339(value)
    if stamp is not None:
        return stamp[0] + stamp[1] / 1e9
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return now - parse_duration(value) / 1e9
    except ValueError:
        raise InvalidArgument(f"invalid filter 'until={value}'") from None


def _id(values: list[str]) -> _Test:
    return lambda record: any(record.id.startswith(value) for value in values)


def _parent(values: list[str]) -> _Test:
    return lambda record: any(
        parent.startswith(value) for parent in record.parents for value in values
    )


def _kind(values: list[str]) -> _Test:
    return lambda record: record.kind in values


def _description(values: list[str]) -> _Test:
    return lambda record: any(value in record.description for value in values)


def _flag(read: _Test) -> Callable[[list[str]], _Test]:
    def make(values: list[str]) -> _Test:
        wanted = {_boolean(value) for value in values}
        return lambda record: read(record) in wanted

    return make


def _boolean(value: str) -> bool:
    if value.lower() in ("", "1", "t", "true"):
        return True
    if value.lower() in ("0", "f", "false"):
        return False
    raise InvalidArgument(f"invalid value of a filter: {value[:80]!r}")


_FILTERS: dict[str, Callable[[list[str]], _Test]] = {
    "until": _id,
    "unused-for": _id,
    "id": _id,
    "parent": _parent,
    "parents": _parent,
    "type": _kind,
    "description": _description,
    "inuse": _flag(lambda record: record.in_use),
    "shared": _flag(lambda record: record.shared),
    "private": _flag(lambda record: not record.shared),
}
