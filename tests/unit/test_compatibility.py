"""Every rule of docs/compatibility.md has a test of its number, or a reason why not."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"\| (\d+) \| (.+?) \| ?(.*?) ?\|")
TEST = re.compile(r"def (test_\w+)\(")
NUMBER = re.compile(r"_b(\d{3})(?=_)")
WANTED = {*range(1, 126), *range(152, 206)}


def rows() -> dict[int, str]:
    """Reasons by number; "" where a test shows the rule."""
    text = (ROOT / "docs" / "compatibility.md").read_text()
    found = [(int(row[1]), row[3]) for row in map(ROW.fullmatch, text.splitlines()) if row]
    assert len(found) == len(dict(found)), "a number stands twice"
    return dict(found)


def shown_numbers() -> set[int]:
    names = (
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in TEST.findall(path.read_text())
    )
    return {int(number) for name in names for number in NUMBER.findall(name)}


def test_every_number_has_a_row() -> None:
    assert set(rows()) >= WANTED


def test_every_rule_has_a_test_or_a_reason() -> None:
    shown = shown_numbers()
    assert {number for number, reason in rows().items() if not reason} - shown == set()


def test_no_reason_is_out_of_date() -> None:
    assert {number for number, reason in rows().items() if reason} & shown_numbers() == set()
