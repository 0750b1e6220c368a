"""Rules only grant, patterns cover whole names, and names are never patterns."""

from __future__ import annotations

import pytest

from wharfie.registry.access.rules import (
    NOBODY,
    InvalidRule,
    Kind,
    Principal,
    Rule,
    Rules,
    all_accounts,
    everything,
)
from wharfie.registry.ports import Action

PULL, PUSH, DELETE = Action.PULL, Action.PUSH, Action.DELETE
ALICE, BOB = Principal(Kind.ACCOUNT, "alice"), Principal(Kind.ACCOUNT, "bob")
CI = Principal(Kind.CERTIFICATE, "ci")
RULES = Rules(
    [
        Rule(["anonymous"], ["public/**"], [PULL]),
        Rule(["*"], ["shared/*"], [PULL]),
        Rule(["@team", "cert:ci"], ["team/**"], [PULL, PUSH]),
        Rule(["alice"], ["team/app"], [DELETE]),
        Rule(["cert:*"], ["ci/*"], [PULL]),
        Rule(["*"], ["home/${user}/**"], [PULL, PUSH, DELETE]),
    ],
    {"team": ["alice"]},
)


@pytest.mark.parametrize(
    ("who", "repository", "may"),
    [
        (NOBODY, "public/a", {PULL}), (NOBODY, "public/a/b", {PULL}), (ALICE, "public/a", {PULL}),
        (NOBODY, "public", set()), (NOBODY, "publics/a", set()), (NOBODY, "x/public/a", set()),
        (NOBODY, "shared/a", set()), (BOB, "shared/a", {PULL}), (BOB, "shared/a/b", set()),
        (ALICE, "team/app", {PULL, PUSH, DELETE}), (ALICE, "team/b/c", {PULL, PUSH}),
        (BOB, "team/app", set()), (CI, "team/app", {PULL, PUSH}),
        (Principal(Kind.ACCOUNT, "ci"), "team/app", set()),
        (Principal(Kind.CERTIFICATE, "alice"), "team/app", set()),
        (ALICE, "home/alice/x", {PULL, PUSH, DELETE}), (ALICE, "home/bob/x", set()),
        (NOBODY, "home//x", set()), (CI, "home/ci/x", set()), (CI, "shared/a", set()),
        (CI, "ci/a", {PULL}), (Principal(Kind.CERTIFICATE, "other"), "ci/a", {PULL}),
        (BOB, "ci/a", set()), (NOBODY, "ci/a", set()),
        # Names that would widen the pattern if they were taken for one.
        (Principal(Kind.ACCOUNT, "**"), "home/bob/x", set()),
        (Principal(Kind.ACCOUNT, "*"), "home/bob/x", set()),
        (Principal(Kind.ACCOUNT, "bob/x"), "home/bob/x/y", set()),
        (Principal(Kind.ACCOUNT, "anonymous"), "team/app", set()),
        (Principal(Kind.ACCOUNT, "@team"), "team/app", set()),
    ],
)  # fmt: skip
def test_who_may_what(who: Principal, repository: str, may: set[Action]) -> None:
    assert RULES.allowed(who, repository) == may


def test_certificates_count_where_a_rule_names_them() -> None:
    named = Rules([Rule(["@g", "cert:a"], ["x"], [PULL])], {"g": ["cert:b", "c"]})
    known = [name for name in "abc" if named.knows(Principal(Kind.CERTIFICATE, name))]
    assert known == ["a", "b"]
    assert RULES.knows(CI)
    assert not all_accounts().knows(CI)
    assert not everything().knows(CI)


def test_the_rules_of_a_registry_without_any() -> None:
    assert everything().allowed(NOBODY, "a/b") == {PULL, PUSH, DELETE}
    assert all_accounts().allowed(NOBODY, "a/b") == set()
    assert all_accounts().allowed(BOB, "a/b") == {PULL, PUSH, DELETE}
    assert (everything().admits_anybody(), all_accounts().admits_anybody()) == (True, False)
    assert RULES.admits_anybody()


@pytest.mark.parametrize(
    "rule",
    [
        Rule([], ["a"], [PULL]), Rule(["a"], [], [PULL]), Rule(["a"], ["a"], []),
        Rule(["@none"], ["a"], [PULL]), Rule(["a b"], ["a"], [PULL]), Rule([""], ["a"], [PULL]),
        Rule(["a"], ["A"], [PULL]), Rule(["a"], ["a[b]"], [PULL]), Rule(["a"], [""], [PULL]),
        Rule(["a"], ["a/**/b"], [PULL]), Rule(["a"], ["a**"], [PULL]),
        Rule(["a"], ["**/**"], [PULL]),
        Rule(["anonymous"], ["home/${user}"], [PULL]), Rule(["a"], ["a"], [Action.CATALOGUE]),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_meant_is_refused(rule: Rule) -> None:
    with pytest.raises(InvalidRule):
        Rules([rule], {})
