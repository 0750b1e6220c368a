from __future__ import annotations

import pytest

from wharfie.client.daemon import encode_query, escape, version_key


def test_queries_are_sorted_and_escaped() -> None:
    query = {"b": ["1", "2"], "a": 'x y/{"z"}'}
    assert encode_query(query) == "a=x%20y%2F%7B%22z%22%7D&b=1&b=2"


@pytest.mark.parametrize(
    ("text", "wanted"), [("a/b", "a%2Fb"), ("\u00e9", "%C3%A9"), ("a b\r\n", "a%20b%0D%0A")]
)
def test_names_cannot_break_out_of_a_path(text: str, wanted: str) -> None:
    assert escape(text) == wanted


def test_versions_compare_as_numbers() -> None:
    assert version_key("1.9") < version_key("1.44") < version_key("1.100")
    assert version_key("x.1") < version_key("1.0")
