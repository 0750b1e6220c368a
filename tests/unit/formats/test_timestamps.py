from __future__ import annotations

from wharfie.formats.timestamps import (
    days_from_civil,
    format_ansi,
    go_string,
    parse_rfc3339,
    parse_since,
)


def test_times_read_and_print() -> None:
    assert days_from_civil(1970, 1, 1) == 0
    assert parse_rfc3339("2026-11-21T01:37:26.266881179Z") == (1795225046, 266881179)
    assert parse_rfc3339("2026-11-21T03:37:26+02:00") == (1795225046, 0)
    assert parse_rfc3339("2026-13-21T03:37:26Z") is None
    assert parse_rfc3339("nonsense") is None
    assert go_string(1795225046, 266000000, utc=True) == "2026-11-21 01:37:26.266 +0000 UTC"
    assert format_ansi("2026-09-15T11:02:57.000000000+00:00") == "Tue Sep 15 11:02:57 2026"


def test_since_takes_durations_dates_and_numbers() -> None:
    assert parse_since("10m", 1000.9) == "400"
    assert parse_since("2026-11-21T01:37:26Z", 0) == "1795225046.000000000"
    assert parse_since("1795225046.5", 0) == "1795225046.5"
