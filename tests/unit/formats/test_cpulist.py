"""Lists of processors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.cpulist import parse_cpu_list


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", set()), ("0", {0}), ("0-2,5", {0, 1, 2, 5}), ("3,1,3", {1, 3}), ("7-7\n", {7})],
)
def test_a_list_names_its_numbers(text: str, expected: set[int]) -> None:
    assert parse_cpu_list(text) == expected


@pytest.mark.parametrize(
    "text", ["a", "1-", "-1", "2-1", "1,,2", ",", "0-99999999999", "1 2", "٣", "0x1"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid format"):
        parse_cpu_list(text)


@given(st.sets(st.integers(0, 500), min_size=1))
def test_every_list_of_numbers_is_read_back(numbers: set[int]) -> None:
    assert parse_cpu_list(",".join(map(str, numbers))) == numbers
