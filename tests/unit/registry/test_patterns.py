"""Patterns of repositories."""

import pytest

from wharfie.formats.pathmatch import InvalidPattern
from wharfie.registry.patterns import repository_matcher


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("**", ["a", "a/b/c"], []),
        ("team/*", ["team/a"], ["team", "team/a/b", "other/a"]),
        ("team/**", ["team/a", "team/a/b"], ["team", "teams/a"]),
        ("*/app/**", ["x/app/a", "y/app/a/b"], ["app/a", "x/y/app/a"]),
        ("exact", ["exact"], ["exactly", "exact/a"]),
    ],
)
def test_a_pattern(pattern: str, matching: list[str], others: list[str]) -> None:
    matches = repository_matcher(pattern)
    assert all(matches(name) for name in matching)
    assert not any(matches(name) for name in others)


def test_a_malformed_pattern_is_told() -> None:
    with pytest.raises(InvalidPattern):
        repository_matcher("[a/**")
