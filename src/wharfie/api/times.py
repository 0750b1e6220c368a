"""Times and durations in queries: Unix seconds, RFC 3339, or "10m" ago.

Source: moby's api/types/time GetTimestamp and ParseTimestamps; Go's time.ParseDuration.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from wharfie.model.errors import InvalidArgument

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNIX = re.compile(r"(-?\d{1,12})(?:\.(\d{1,9})\d*)?")
_FRACTION = re.compile(r"\.(\d{1,9})\d*")
_PARTIAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d(?=$|Z|[+-])")


def parse_duration(text: str) -> int | None:
    """Nanoseconds of a Go duration ("1h30m", "-5s", "0"); None when it is none."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    position, total = 0, 0
    while found := _PART.match(rest, position):
        whole, _, fraction = found[1].partition(".")
        unit = _UNITS[found[2]]
        total += int(whole or 0) * unit + int((fraction or "0")[:18]) * unit // 10 ** min(
            18, len(fraction or "0")
        )
        position = found.end()
    return sign * total if position and position == len(rest) else None


def parse_time(text: str, *, now: int) -> int:
    """Nanoseconds since the epoch of a time as users write it.

    Args:
        text: Unix seconds with up to nine decimals, a date, or how long ago.
        now: what durations count back from.

    Raises:
        InvalidArgument: none of these.
    """
    if unix := _UNIX.fullmatch(text):
        seconds, fraction = int(unix[1]), (unix[2] or "").ljust(9, "0")
        nanoseconds = int(fraction)
        return seconds * 1_000_000_000 + (-nanoseconds if text.startswith("-") else nanoseconds)
    ago = parse_duration(text)
    if ago is not None:
        return now - ago
    try:
        return _parse_date(text)
    except ValueError:
        raise InvalidArgument(
            f'invalid value for time: failed to parse value as time or duration: "{text}"'
        ) from None


def _parse_date(text: str) -> int:
    nanoseconds = 0
    if found := _FRACTION.search(text):
        nanoseconds = int(found[1].ljust(9, "0"))
        text = text[: found.start()] + text[found.end() :]
    if found := _PARTIAL.match(text):
        text = f"{text[: found.end()]}:00{text[found.end() :]}"
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000 + nanoseconds
