"""Patterns that leave files out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.exclusion import Exclusions
from wharfie.formats.pathmatch import InvalidPattern


@pytest.mark.parametrize(
    ("patterns", "path", "excluded"),
    [
        (["a"], "a", True),
        (["a"], "a/b/c", True),
        (["a"], "b/a", False),
        (["/a/"], "a", True),
        (["*.md"], "x.md", True),
        (["*.md"], "d/x.md", False),
        (["**/*.md"], "d/e/x.md", True),
        (["**/*.md"], "x.md", True),
        (["d/**"], "d", False),
        (["d/**"], "d/x/y", True),
        (["a/**/z"], "a/z", True),
        (["a/**/z"], "a/b/c/z", True),
        (["*.md", "!README.md"], "README.md", False),
        (["*.md", "!README.md", "README*"], "README.md", True),
        (["d", "!d/keep"], "d/keep", False),
        (["d", "!d/keep"], "d/other", True),
        (["*"], "x/y", True),
        ([".", "", "x"], "x", True),
        (["a[b-d]"], "ac", True),
        (["a?"], "a/", False),
    ],
)
def test_a_path_is_left_out_as_docker_does(patterns: list[str], path: str, excluded: bool) -> None:
    assert Exclusions(patterns).excludes(path) is excluded


@pytest.mark.parametrize("pattern", ["!", "[", "a\\"])
def test_a_malformed_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        Exclusions([pattern])


@given(st.lists(st.text("ab*?/!", min_size=1, max_size=12), max_size=4), st.text("ab/", min_size=1))
def test_no_pattern_takes_long_or_breaks(patterns: list[str], path: str) -> None:
    try:
        chosen = Exclusions(patterns)
    except InvalidPattern:
        return
    assert chosen.excludes(path) in (True, False)


def test_many_stars_take_no_longer_than_pattern_times_path() -> None:
    chosen = Exclusions(["**/*a*a*a*a*a*a*a*b/**/*a*a*a*c"])
    assert not chosen.excludes("/".join(["a" * 200] * 20))
