"""Times as replies spell them: "5 minutes", and when that text changes next.

Source: docker/go-units HumanDuration, whose words `docker ps` shows.
"""

from __future__ import annotations

from datetime import UTC, datetime

from wharfie.model.container import NEVER

MINUTE, HOUR, DAY = 60, 3600, 86400
_FAR = float("inf")


def seconds_of(time: str) -> float:
    """Seconds since the epoch of an RFC 3339 time; 0 for NEVER and for none."""
    if not time or time == NEVER:
        return 0.0
    return datetime.fromisoformat(time).astimezone(UTC).timestamp()


def human_duration(seconds: float) -> tuple[str, float]:
    """Spell a duration; returns the text, and the duration from which it is another."""
    whole = int(max(seconds, 0))
    if whole < MINUTE:
        if whole == 0:
            return "Less than a second", 1
        return ("1 second" if whole == 1 else f"{whole} seconds"), whole + 1
    minutes = whole // MINUTE
    if minutes < MINUTE:
        text = "About a minute" if minutes == 1 else f"{minutes} minutes"
        return text, (minutes + 1) * MINUTE
    # Hours are rounded, all else is cut off.
    hours = (whole + HOUR // 2) // HOUR
    until = (hours + 1) * HOUR - HOUR // 2
    if hours < 48:
        return ("About an hour" if hours == 1 else f"{hours} hours"), until
    for limit, unit, name in (
        (24 * 14, 24, "days"),
        (24 * 60, 24 * 7, "weeks"),
        (24 * 730, 24 * 30, "months"),
    ):
        if hours < limit:
            return f"{hours // unit} {name}", until
    return f"{whole // HOUR // 24 // 365} years", until
