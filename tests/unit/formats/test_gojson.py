from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.gojson import JsonError, Stream, dumps, loads

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.booleans(), st.sampled_from(["", "    "]))
def test_json_that_is_written_reads_back(value: object, html: bool, indent: str) -> None:
    text = dumps(value, html=html, indent=indent)
    assert equal(json.loads(text), value)
    assert equal(loads(text), value)
    assert dumps(loads(text), html=html, indent=indent) == text


def equal(left: object, right: object) -> bool:
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return math.isclose(left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[k], right[k]) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return left == right


def test_numbers_keep_their_spelling() -> None:
    assert dumps(loads("[1.50,1e3,1]")) == "[1.50,1e3,1]"


@pytest.mark.parametrize("text", ["", "{", "[1,]", "nul", "1 2", '{"a"}', "[" * 100000, "NaN"])
def test_broken_json_is_refused(text: str) -> None:
    with pytest.raises(JsonError):
        loads(text)


@given(st.lists(JSON, max_size=5), st.integers(1, 7))
def test_chunk_boundaries_do_not_matter(values: list[object], step: int) -> None:
    data = "".join(dumps(value) + "\r\n" for value in values).encode()
    stream = Stream()
    found: list[object] = []
    for start in range(0, len(data), step):
        found += stream.feed(data[start : start + step])
    found += stream.close()
    assert [dumps(value) for value in found] == [dumps(value) for value in values]
