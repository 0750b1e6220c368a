"""Rules: who may pull, push and delete which repositories.

    users:        names of accounts, `@group`, `*` (every account), `cert:COMMON NAME`, `cert:*`
                  (every client certificate), `anonymous` (everybody, also without login)
    repositories: patterns (`patterns.py`); `${user}` in them is the caller's name
    actions:      pull, push, delete

Rules only grant: what none of them grants is refused. A pattern always covers whole names. A
certificate is nobody unless a rule names it: who has a certificate has not given a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from wharfie.registry.config.access import Rule
from wharfie.registry.patterns import repository_matcher
from wharfie.registry.ports import Action, Identity

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
_PATTERN = re.compile(r"[a-z0-9*?._/-]{1,255}")
_USER = "${user}"
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")


class InvalidRule(ValueError):
    """A rule that cannot be meant."""


class Kind(StrEnum):
    """How a caller was identified."""

    ANONYMOUS = "anonymous"
    ACCOUNT = "account"
    CERTIFICATE = "certificate"


class Principal(Struct, frozen=True):
    """Who a request is from. An account and a certificate of one name are two principals."""

    kind: Kind = Kind.ANONYMOUS
    name: str = ""

    def __str__(self) -> str:
        return f"cert:{self.name}" if self.kind is Kind.CERTIFICATE else self.name

    @property
    def identity(self) -> Identity:
        """What the rest of the registry knows it by."""
        return Identity(str(self))


NOBODY = Principal()


class Rules:
    """All rules.

    Args:
        rules: as written.
        groups: members of each group.

    Raises:
        InvalidRule: one cannot be meant.
    """

    def __init__(self, rules: Sequence[Rule], groups: Mapping[str, Sequence[str]]) -> None:
        for rule in rules:
            _check(rule, groups)
        self._rules = list(rules)
        self._members = {name: frozenset(members) for name, members in groups.items()}
        listed = {user for rule in rules for user in rule.users}
        groups_listed = (user[1:] for user in listed if user.startswith("@"))
        self._named = listed.union(*(self._members[name] for name in groups_listed))
        self._patterns = {
            text: repository_matcher(text)
            for rule in rules
            for text in rule.repositories
            if _USER not in text
        }

    def allowed(self, principal: Principal, repository: str) -> frozenset[Action]:
        """What a caller may do to a repository."""
        found: set[Action] = set()
        for rule in self._rules:
            if self._is_about(rule, principal) and self._covers(rule, principal, repository):
                found.update(rule.actions)
        return frozenset(found)

    def admits_anybody(self) -> bool:
        """Tell whether there is something to be had without login."""
        return any("anonymous" in rule.users for rule in self._rules)

    def knows(self, principal: Principal) -> bool:
        """Tell whether a rule names a client certificate."""
        if principal.kind is not Kind.CERTIFICATE:
            return False
        return str(principal) in self._named or "cert:*" in self._named

    def _is_about(self, rule: Rule, principal: Principal) -> bool:
        return any(self._names(user, principal) for user in rule.users)

    def _names(self, user: str, principal: Principal) -> bool:
        if user == "anonymous":
            return True
        if principal.kind is Kind.ANONYMOUS:
            return False
        if user in ("*", "cert:*"):
            return (user == "*") is (principal.kind is Kind.ACCOUNT)
        spelt = str(principal)
        if user.startswith("@"):
            return spelt in self._members[user[1:]]
        return user == spelt

    def _covers(self, rule: Rule, principal: Principal, repository: str) -> bool:
        for text in rule.repositories:
            pattern = self._patterns.get(text)
            if pattern is None:
                # A name that is no component of a repository's name cannot stand for one; none
                # that could widen the pattern gets here. Nor does a certificate an account's.
                is_account = principal.kind is Kind.ACCOUNT
                if not is_account or _COMPONENT.fullmatch(principal.name) is None:
                    continue
                pattern = repository_matcher(text.replace(_USER, principal.name))
            if pattern(repository):
                return True
        return False


def everything() -> Rules:
    """What goes without any access control: all to everybody."""
    return Rules([Rule(["anonymous"], ["**"], [Action.PULL, Action.PUSH, Action.DELETE])], {})


def all_accounts() -> Rules:
    """What goes with accounts and no rules: all to whoever has logged in, as with Docker."""
    return Rules([Rule(["*"], ["**"], [Action.PULL, Action.PUSH, Action.DELETE])], {})


def _check(rule: Rule, groups: Mapping[str, Sequence[str]]) -> None:
    if not rule.users or not rule.repositories or not rule.actions:
        raise InvalidRule("a rule needs users, repositories and actions")
    for user in rule.users:
        if not _is_user(user, groups):
            raise InvalidRule(f"{user!r} is neither a user nor a group")
    if Action.CATALOGUE in rule.actions:
        raise InvalidRule("the catalogue shows what may be pulled; there is no action for it")
    for text in rule.repositories:
        plain = text.removesuffix("**")
        is_below = plain == text or not plain or plain.endswith("/")
        if not is_below or "**" in plain or not _PATTERN.fullmatch(text.replace(_USER, "user")):
            raise InvalidRule(f"{text!r} is no pattern of repositories")
    is_open = "anonymous" in rule.users
    if is_open and any(_USER in text for text in rule.repositories):
        raise InvalidRule(f"{_USER} means nobody in a rule for anonymous callers")


def _is_user(text: str, groups: Mapping[str, Sequence[str]]) -> bool:
    if text.startswith("@"):
        return text[1:] in groups
    if text.startswith("cert:"):
        return text != "cert:"
    return text in ("*", "anonymous") or _NAME.fullmatch(text) is not None


__all__ = [
    "NOBODY",
    "InvalidRule",
    "Kind",
    "Principal",
    "Rule",
    "Rules",
    "all_accounts",
    "everything",
]
