"""Times of log records, for programs that must not load more than they need."""

from __future__ import annotations

from time import gmtime


def rfc3339_nano(nanoseconds: int) -> str:
    """Spell nanoseconds since the epoch with nine digits, UTC."""
    second, fraction = divmod(nanoseconds, 1_000_000_000)
    t = gmtime(second)
    day = f"{t[0]:04d}-{t[1]:02d}-{t[2]:02d}"
    return f"{day}T{t[3]:02d}:{t[4]:02d}:{t[5]:02d}.{fraction:09d}Z"
