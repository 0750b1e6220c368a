"""docs/compatibility-seeds.md: each row of the seeds has a test that exists, or comes later."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "compatibility-seeds.md"
SIZES = {"A": 11, "B": 13, "C": 7, "D": 20, "E": 11, "F": 13, "G": 16, "H": 9, "J": 11}
ROWS = [f"{part}{number}" for part, size in SIZES.items() for number in range(1, size + 1)]
LATER = {"C3", "C5", "D20"}
TOGETHER = {"I1–I5"}


@cache
def mapped() -> dict[str, str]:
    """The last column by row."""
    found = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.split(" | ")]
        if len(cells) == 3 and re.fullmatch(r"\| ([A-L]\d*(–I5)?)", cells[0]):
            row = cells[0].removeprefix("| ")
            assert row not in found, f"{row} is there twice"
            found[row] = cells[2].removesuffix(" |")
    return found


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:5] == "test_"
    }


def test_every_row_is_on_the_page() -> None:
    assert set(mapped()) == {*ROWS, *LATER, *TOGETHER, "K", "L"}


@pytest.mark.parametrize("row", [*ROWS, *TOGETHER, "K", "L"])
def test_a_row_has_tests_that_exist(row: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", mapped()[row])
    if row in LATER:
        assert mapped()[row].startswith("later: ")
        assert not named
        return
    assert named, f"{row} names no test"
    for path, name in named:
        assert name in functions_of(path), f"{row}: no {name} in {path}"
