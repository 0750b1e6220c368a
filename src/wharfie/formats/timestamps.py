"""Moments: RFC 3339 texts, Go's printed forms, and what `--since` accepts.

A moment is a pair (whole seconds since the epoch, nanoseconds).
"""

from __future__ import annotations

import time

from wharfie.formats.duration import SECOND, parse_duration

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return the days between 1970-01-01 and a date of the proleptic Gregorian calendar."""
    year -= month <= 2
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def parse_rfc3339(text: str) -> tuple[int, int] | None:
    """Read `2026-11-21T01:37:26.266881179Z`; None when it is no such text."""
    body, zone = text, ""
    for index in range(10, len(text)):
        if text[index] in "Zz+-":
            body, zone = text[:index], text[index:]
            break
    date, _, clock = body.partition("T")
    offset = _zone_seconds(zone)
    numbers = _numbers(date, "-", 3), _numbers(clock.partition(".")[0], ":", 3)
    fraction = clock.partition(".")[2]
    if offset is None or not numbers[0] or not numbers[1] or (fraction and not fraction.isdigit()):
        return None
    year, month, day = numbers[0]
    hour, minute, second = numbers[1]
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return None
    seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second
    return seconds - offset, int(fraction[:9].ljust(9, "0") or "0")


def _numbers(text: str, separator: str, count: int) -> list[int]:
    parts = text.split(separator)
    if len(parts) != count or not all(part.isascii() and part.isdigit() for part in parts):
        return []
    return [int(part) for part in parts]


def _zone_seconds(zone: str) -> int | None:
    if zone in {"Z", "z"}:
        return 0
    parts = _numbers(zone[1:], ":", 2)
    if zone[:1] not in {"+", "-"} or not parts:
        return None
    seconds = parts[0] * 3600 + parts[1] * 60
    return -seconds if zone[0] == "-" else seconds


def local_offset(seconds: int) -> tuple[str, str]:
    """Return the local zone at a moment as `+0200` and its name."""
    local = time.localtime(seconds)
    sign = "-" if local.tm_gmtoff < 0 else "+"
    minutes = abs(local.tm_gmtoff) // 60
    return f"{sign}{minutes // 60:02d}{minutes % 60:02d}", local.tm_zone


def go_string(seconds: int, nanos: int = 0, *, utc: bool = False) -> str:
    """Spell a moment as Go's `Time.String`: `2026-11-21 01:37:26.26 +0000 UTC`."""
    broken = time.gmtime(seconds) if utc else time.localtime(seconds)
    offset, name = ("+0000", "UTC") if utc else local_offset(seconds)
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{_date(broken)} {_clock(broken)}{fraction} {offset} {name}"


def rfc3339(seconds: int) -> str:
    """Spell a moment as RFC 3339 in local time."""
    broken = time.localtime(seconds)
    offset, _ = local_offset(seconds)
    zone = "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:]}"
    return f"{_date(broken)}T{_clock(broken)}{zone}"


def rfc3339_nano(nanoseconds: int) -> str:
    """Spell a moment as RFC 3339 with nine digits behind the second, in local time."""
    seconds, nanos = divmod(nanoseconds, SECOND)
    text = rfc3339(seconds)
    return f"{text[:19]}.{nanos:09d}{text[19:]}"


def format_ansi(text: str) -> str:
    """Turn an RFC 3339 text into Go's ANSIC layout (`Tue Sep 15 11:02:57 2026`)."""
    moment = parse_rfc3339(text)
    if moment is None:
        return text
    broken = time.gmtime(moment[0])
    day, month = _DAYS[broken.tm_wday], _MONTHS[broken.tm_mon - 1]
    return f"{day} {month} {broken.tm_mday:2d} {_clock(broken)} {broken.tm_year}"


def _date(broken: time.struct_time) -> str:
    return f"{broken.tm_year:04d}-{broken.tm_mon:02d}-{broken.tm_mday:02d}"


def _clock(broken: time.struct_time) -> str:
    return f"{broken.tm_hour:02d}:{broken.tm_min:02d}:{broken.tm_sec:02d}"


def parse_since(text: str, now: float) -> str:
    """Turn what `--since` accepts into what the daemon takes: seconds, perhaps with nanoseconds.

    A duration counts back from `now`; dates and times without zone are local; anything else is
    handed on as it is. Source: Docker's documentation of `--since`.
    """
    try:
        return str(int(now - parse_duration(text) / SECOND))
    except ValueError:
        pass
    if text.count("-") < 2:
        return text
    moment = _partial(text)
    return text if moment is None else f"{moment[0]}.{moment[1]:09d}"


def _partial(text: str) -> tuple[int, int] | None:
    """Read a date, or a date with an incomplete time, perhaps with a zone."""
    zone = ""
    body = text
    for index in range(10, len(text)):
        if text[index] in "Z+-":
            body, zone = text[:index], text[index:]
            break
    date, mark, clock = body.partition("T")
    if mark and clock.count(":") < 2 and clock:
        clock += ":00" * (2 - clock.count(":"))
    full = f"{date}T{clock or '00:00:00'}"
    moment = parse_rfc3339(full + (zone or "Z"))
    if moment is None or zone:
        return moment
    return moment[0] - time.localtime(moment[0]).tm_gmtoff, moment[1]
