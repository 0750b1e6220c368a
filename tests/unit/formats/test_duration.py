from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0), ("1s", 10**9), ("1m30s", 90 * 10**9), ("1.5h", 5400 * 10**9), ("-2ms", -2000000),
        ("300ns", 300), ("1us", 1000), ("\u00b5s", None), ("", None), ("5", None), ("1x", None),
        (".s", None), ("99999999999h", None),
    ],
)  # fmt: skip
def test_durations_are_go_s(text: str, nanoseconds: int | None) -> None:
    if nanoseconds is None:
        with pytest.raises(ValueError, match="duration"):
            parse_duration(text)
    else:
        assert parse_duration(text) == nanoseconds


@given(st.integers(-(2**62), 2**62))
def test_a_printed_duration_reads_back(value: int) -> None:
    assert parse_duration(format_duration(value)) == value
