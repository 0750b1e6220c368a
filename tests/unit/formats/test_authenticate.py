"""Challenges as registries spell them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.authenticate import Challenge, parse_challenges

CASES = [
    ('Basic realm="x"', [Challenge("basic", {"realm": "x"})]),
    ("Basic", [Challenge("basic")]),
    (
        'Bearer realm="https://a/b?c=d",service="s",scope="repository:x:pull,push"',
        [
            Challenge(
                "bearer",
                {
                    "realm": "https://a/b?c=d",
                    "service": "s",
                    "scope": "repository:x:pull,push",
                },
            )
        ],
    ),
    (
        'BEARER Realm=token , error="insufficient_scope", Basic realm="a\\"b"',
        [
            Challenge("bearer", {"realm": "token", "error": "insufficient_scope"}),
            Challenge("basic", {"realm": 'a"b'}),
        ],
    ),
    ('Bearer realm="one",realm="two"', [Challenge("bearer", {"realm": "one"})]),
    ("", []),
    ('=="', []),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_challenges_are_taken_apart(text: str, expected: list[Challenge]) -> None:
    assert parse_challenges(text) == expected


@given(st.text(max_size=300))
def test_any_text_comes_to_an_end(text: str) -> None:
    assert isinstance(parse_challenges(text), list)
