import pytest

from wharfie.formats.dockerfile.directives import find_directives, parse_checks


@pytest.mark.parametrize(
    ("lines", "syntax", "escape", "count"),
    [
        (["# syntax=a/b:1", "# escape=`", "FROM x"], "a/b:1", "`", 2),
        (["#syntax = a/b c d", "FROM x"], "a/b", "\\", 1),
        (["# SYNTAX=a", "# Escape=`"], "a", "`", 2),
        (["# hello", "# syntax=a"], "", "\\", 0),
        (["# unknown=1", "# escape=`"], "", "\\", 0),
        (["", "# escape=`"], "", "\\", 0),
        (["#!/usr/bin/env x", "# syntax=a"], "a", "\\", 2),
        (["// syntax=a", "FROM x"], "a", "\\", 0),
        (['{"syntax": "a"}'], "a", "\\", 0),
        (["{", '"syntax": "a", "x": [1]', "}"], "a", "\\", 0),
        (['{"syntax": 1}'], "", "\\", 0),
        (["{" * 1000], "", "\\", 0),
    ],
)
def test_directives_stand_first(lines: list[str], syntax: str, escape: str, count: int) -> None:
    found = find_directives(lines)
    assert (found.syntax, found.escape, found.count) == (syntax, escape, count)


def test_checks_are_read() -> None:
    checks = parse_checks("skip=A, B;error=true;experimental=all;x")
    assert checks.skip == {"a", "b"}
    assert checks.error
    assert checks.experimental == {"all"}
    assert find_directives(["# check=skip=all"]).checks.skip == {"all"}
