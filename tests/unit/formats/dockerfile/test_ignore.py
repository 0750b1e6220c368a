import pytest

from wharfie.formats.dockerfile.ignore import (
    MAX_FILE,
    MAX_PATTERNS,
    IgnorePatterns,
    InvalidIgnoreFile,
    read_ignore_file,
)


def excluded(file: str, path: str) -> bool:
    return IgnorePatterns(read_ignore_file(file.encode())).excludes(path)


@pytest.mark.parametrize(
    ("file", "path", "expected"),
    [
        ("a", "a", True),
        ("a", "a/b/c", True),
        ("a", "b/a", False),
        ("/a/", "a", True),
        ("./a/../b", "b", True),
        ("*.md", "x.md", True),
        ("*.md", "d/x.md", False),
        ("*/*.md", "d/x.md", True),
        ("**/*.md", "x.md", True),
        ("**/*.md", "d/e/x.md", True),
        ("**/x", "d/x/y", True),
        ("**.md", "d/x.md", True),
        ("d/**", "d/e/f", True),
        ("d/**", "d", False),
        ("d/**/f", "d/f", True),
        ("d/**/f", "d/e/g/f", True),
        ("**", "x", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("\\*", "*", True),
        ("\\*", "x", False),
        ("a/**/b/*/c/**", "a/x/y/b/1/c/2/3", True),
        ("a/**/b/*/c/**", "a/x/y/b/1/d/2/3", False),
        ("*\n!a", "a", False),
        ("*\n!a", "b", True),
        ("*.md\n!r*.md\nread.md", "read.md", True),
        ("*.md\n!r*.md\nread.md", "rules.md", False),
        ("d\n!d/k", "d/k", False),
        ("d\n!d/k", "d/l", True),
        ("# x\n\n  a  ", "a", True),
        ("#x", "#x", False),
        ("\ufeffa", "a", True),
        ("! a\nb", "b", True),
        ("", "a", False),
    ],
)
def test_what_is_left_out(file: str, path: str, expected: bool) -> None:
    assert excluded(file, path) == expected


def test_a_directory_may_hold_exceptions() -> None:
    patterns = IgnorePatterns(read_ignore_file(b"d\ne\n!d/x/y"))
    assert patterns.may_hold_exceptions("d")
    assert patterns.may_hold_exceptions("d/x")
    assert not patterns.may_hold_exceptions("e")
    assert IgnorePatterns(read_ignore_file(b"e\n!**/k")).may_hold_exceptions("e")


@pytest.mark.parametrize("file", ["!", "[a", "a\\", "[]"])
def test_broken_patterns_are_refused(file: str) -> None:
    with pytest.raises(InvalidIgnoreFile):
        excluded(file, "x")


def test_bounds() -> None:
    with pytest.raises(InvalidIgnoreFile):
        read_ignore_file(b"a" * (MAX_FILE + 1))
    with pytest.raises(InvalidIgnoreFile):
        IgnorePatterns(["a"] * (MAX_PATTERNS + 1))


def test_a_hostile_pattern_is_as_fast_as_any() -> None:
    path = "a" * 2000
    assert not excluded("*a" * 50 + "b", path)
    assert not excluded("**/" * 50 + "b", "/".join("a" * 500))
