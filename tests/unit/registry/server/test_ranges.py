"""Ranges and conditions, without a server."""

import pytest

from wharfie.registry.errors import Code, Refused
from wharfie.registry.server.ranges import asked_range, chunk_range, is_fresh


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("bytes=0-4", 10, (0, 5)),
        ("bytes=5-", 10, (5, 10)),
        ("bytes=-3", 10, (7, 10)),
        ("bytes=-30", 10, (0, 10)),
        ("BYTES = 9-99", 10, (9, 10)),
        ("", 10, None),
        ("bytes=0-1,2-3", 10, None),
        ("bytes=5-2", 10, None),
        ("bytes=" + "9" * 30 + "-", 10, None),
    ],
)
def test_a_range_names_bytes(text: str, size: int, expected: tuple[int, int] | None) -> None:
    assert asked_range(text, size) == expected


@pytest.mark.parametrize(("text", "size"), [("bytes=10-", 10), ("bytes=0-", 0), ("bytes=-0", 10)])
def test_a_range_outside_is_refused(text: str, size: int) -> None:
    with pytest.raises(Refused) as caught:
        asked_range(text, size)
    assert caught.value.code is Code.RANGE_INVALID


def test_a_chunk_tells_where_it_belongs() -> None:
    assert chunk_range("") is None
    assert chunk_range("0-0") == (0, 0)
    assert chunk_range("bytes 5-9/100") == (5, 9)
    for text in ("9-5", "x", "1", "-1", "1-", "٣-٤"):
        with pytest.raises(Refused):
            chunk_range(text)


def test_a_client_has_it_by_any_of_its_tags() -> None:
    assert is_fresh('"a", W/"b"', "b")
    assert is_fresh("b", "b")
    assert is_fresh("*", "b")
    assert not is_fresh("", "b")
    assert not is_fresh('"bb"', "b")
