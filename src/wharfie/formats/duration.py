"""Go's spelling of a span of time: `1h30m`, `1.5s`, `300ms`, `-2m`.

Values are whole nanoseconds. Source: the documentation of Go's package `time`, ParseDuration.
"""

from __future__ import annotations

NANOSECOND = 1
MICROSECOND = 1000 * NANOSECOND
MILLISECOND = 1000 * MICROSECOND
SECOND = 1000 * MILLISECOND
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE

_UNITS = {
    "ns": NANOSECOND,
    "us": MICROSECOND,
    "\u00b5s": MICROSECOND,
    "\u03bcs": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
}
_DIGITS = "0123456789"
_MAX = 2**63 - 1


def parse_duration(text: str) -> int:
    """Read a duration as nanoseconds.

    Raises:
        ValueError: in Go's words (`time: invalid duration "x"`).
    """
    rest = text
    negative = rest[:1] == "-"
    if rest[:1] in {"-", "+"}:
        rest = rest[1:]
    if rest == "0":
        return 0
    if not rest:
        raise ValueError(f'time: invalid duration "{text}"')
    total = 0
    while rest:
        part, rest = _part(rest, text)
        total += part
        if total > _MAX + negative:
            raise ValueError(f'time: invalid duration "{text}"')
    return -total if negative else total


def _part(rest: str, text: str) -> tuple[int, str]:
    """Read one number with its unit off the front of `rest`."""
    whole, rest = _digits(rest)
    fraction = ""
    if rest[:1] == ".":
        fraction, rest = _digits(rest[1:])
    if not whole and not fraction:
        raise ValueError(f'time: invalid duration "{text}"')
    end = 0
    while end < len(rest) and rest[end] != "." and rest[end] not in _DIGITS:
        end += 1
    name = rest[:end]
    if not name:
        raise ValueError(f'time: missing unit in duration "{text}"')
    unit = _UNITS.get(name)
    if unit is None:
        raise ValueError(f'time: unknown unit "{name}" in duration "{text}"')
    value = int(whole or "0") * unit
    if fraction:
        value += int(fraction[:18]) * unit // 10 ** len(fraction[:18])
    return value, rest[end:]


def _digits(text: str) -> tuple[str, str]:
    end = 0
    while end < len(text) and text[end] in _DIGITS:
        end += 1
    return text[:end], text[end:]


def format_duration(nanoseconds: int) -> str:
    """Spell a duration as Go's `Duration.String` does: `1m30s`, `1.5ms`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    sign = "-" if nanoseconds < 0 else ""
    span = abs(nanoseconds)
    if span < SECOND:
        for name, unit in (("ms", MILLISECOND), ("\u00b5s", MICROSECOND), ("ns", NANOSECOND)):
            if span >= unit:
                return f"{sign}{_decimal(span, unit)}{name}"
    minutes, rest = divmod(span, MINUTE)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(rest, SECOND)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    if minutes:
        return f"{sign}{minutes}m{seconds}"
    return sign + seconds


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    if not rest:
        return str(whole)
    digits = len(str(unit)) - 1
    return f"{whole}.{str(rest).zfill(digits).rstrip('0')}"
