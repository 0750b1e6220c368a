"""Which tags a rule retires."""

from __future__ import annotations

import pytest

from wharfie.registry.config import Retention
from wharfie.registry.upkeep.retention import Pushed, Rule, retired

NOW = 1_000_000.0
DAY = 86_400.0
TAGS = [
    Pushed("ci-1", NOW - 30 * DAY),
    Pushed("ci-2", NOW - 20 * DAY),
    Pushed("ci-3", NOW - DAY),
    Pushed("v1.0", NOW - 300 * DAY),
    Pushed("latest", NOW),
]


def gone(*rules: Retention) -> list[str]:
    return [one.tag for one in retired([Rule(rule) for rule in rules], TAGS, NOW)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Retention(tags="ci-.*", keep_last=1), ["ci-1", "ci-2"]),
        (Retention(tags="ci-.*", keep_last=0), ["ci-1", "ci-2", "ci-3"]),
        (Retention(tags="ci-.*", keep_last=9), []),
        (Retention(tags="ci-.*", keep_for=25 * DAY), ["ci-1"]),
        (Retention(tags="ci-.*", keep_last=1, keep_for=25 * DAY), ["ci-1"]),
        (Retention(keep=r"v[0-9.]+|latest"), ["ci-1", "ci-2", "ci-3"]),
        (Retention(tags="ci", keep_last=0), []),
        # A rule that would keep nothing for any reason is a mistake.
        (Retention(), []),
    ],
)
def test_one_rule(rule: Retention, expected: list[str]) -> None:
    assert gone(rule) == expected


def test_what_any_rule_keeps_stays() -> None:
    assert gone(Retention(keep_last=0), Retention(tags="v.*", keep="v1.0")) == [
        "ci-1", "ci-2", "ci-3", "latest"
    ]  # fmt: skip


def test_a_rule_without_reason_neither_keeps_nor_retires() -> None:
    assert gone(Retention(), Retention(tags="ci-.*", keep_last=2)) == ["ci-1"]
