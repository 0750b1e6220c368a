from __future__ import annotations

import pytest

from wharfie.formats.units import binary_size, human_duration, human_size, parse_size


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0B"), (999, "999B"), (1000, "1kB"), (1130000, "1.13MB"), (12345678, "12.35MB")],
)
def test_sizes_for_people_are_decimal(size: int, text: str) -> None:
    assert human_size(size) == text


def test_memory_for_people_is_binary() -> None:
    assert binary_size(7864320) == "7.5MiB"
    assert binary_size(25276080128) == "23.54GiB"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("32", 32), ("32b", 32), ("32B", 32), ("1k", 1024), ("1Kb", 1024), ("1KiB", 1024),
        ("1.5g", 1610612736), ("64 MiB", 64 << 20), ("1t", 1 << 40), ("0", 0),
    ],
)  # fmt: skip
def test_sizes_are_read_in_binary_units(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "abc", "1x", "1.2.3", "k", "1bb", "1_0", "m5", "-"])
def test_broken_sizes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid|parsing"):
        parse_size(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "Less than a second"),
        (1, "1 second"),
        (45, "45 seconds"),
        (60, "About a minute"),
        (150, "2 minutes"),
        (3600, "About an hour"),
        (36 * 3600, "36 hours"),
        (5 * 86400, "5 days"),
        (20 * 86400, "2 weeks"),
        (90 * 86400, "3 months"),
        (800 * 86400, "2 years"),
    ],
)
def test_spans_of_time_are_rough(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text
