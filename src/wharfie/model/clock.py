"""Times as Docker spells them: RFC 3339 in UTC with nanoseconds.

Reading a clock is a function argument where decisions are tested; these only convert.
"""

from __future__ import annotations

import time


def rfc3339(nanoseconds: int) -> str:
    """Spell nanoseconds since the epoch as "2026-01-02T03:04:05.123456789Z" (nine digits)."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    day = time.gmtime(seconds)
    return (
        f"{day.tm_year:04d}-{day.tm_mon:02d}-{day.tm_mday:02d}T"
        f"{day.tm_hour:02d}:{day.tm_min:02d}:{day.tm_sec:02d}.{fraction:09d}Z"
    )


def now() -> str:
    """The present moment, spelled."""
    return rfc3339(time.time_ns())
