"""Retention: which tags go. Their manifests and blobs follow with the next collection."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection, Sequence

from msgspec import Struct

from wharfie.registry.config.values import Retention
from wharfie.registry.patterns import repository_matcher
from wharfie.registry.ports.storage import NoSuchKey
from wharfie.registry.storage import Content
from wharfie.registry.upkeep.report import Report

_log = logging.getLogger(__name__)


class Pushed(Struct, frozen=True):
    """A tag, and when it was last pushed."""

    tag: str
    time: float


class Rule:
    """A compiled rule."""

    def __init__(self, rule: Retention) -> None:
        self._rule = rule
        self.matches: Callable[[str], bool] = repository_matcher(rule.repositories)
        self._tags = re.compile(rule.tags)
        self._keep = re.compile(rule.keep) if rule.keep else None

    @property
    def has_reason(self) -> bool:
        """It would keep something."""
        rule = self._rule
        return rule.keep_last >= 0 or rule.keep_for >= 0 or bool(rule.keep)

    def about(self, tags: Sequence[Pushed]) -> Sequence[Pushed]:
        """The tags this rule decides about, newest first."""
        mine = [one for one in tags if self._tags.fullmatch(one.tag)]
        return sorted(mine, key=lambda one: (one.time, one.tag), reverse=True)

    def kept(self, tags: Sequence[Pushed], now: float) -> Collection[str]:
        """Of the tags it is about (newest first), those that stay."""
        rule = self._rule
        return {
            one.tag
            for number, one in enumerate(tags)
            if number < rule.keep_last
            or (rule.keep_for >= 0 and now - one.time <= rule.keep_for)
            or (self._keep is not None and self._keep.fullmatch(one.tag))
        }


def retired(rules: Sequence[Rule], tags: Sequence[Pushed], now: float) -> Sequence[Pushed]:
    """The tags that go: some rule is about them and none keeps them, oldest first.

    A rule without any reason to keep would retire everything it is about; such a rule is a
    mistake and does nothing.
    """
    about: dict[str, Pushed] = {}
    kept: set[str] = set()
    for rule in rules:
        mine = rule.about(tags)
        if not rule.has_reason:
            continue
        about.update((one.tag, one) for one in mine)
        kept.update(rule.kept(mine, now))
    return sorted(
        (one for tag, one in about.items() if tag not in kept), key=lambda one: (one.time, one.tag)
    )


async def retire(content: Content, rules: Sequence[Retention], report: Report) -> None:
    """Delete the tags that rules retire."""
    compiled = [Rule(one) for one in rules]
    if not compiled:
        return
    for repository in list(await content.catalogue.all()):
        mine = [rule for rule in compiled if rule.matches(repository)]
        if not mine:
            continue
        tags: list[Pushed] = []
        for tag in await content.tags.all(repository):
            try:
                tags.append(Pushed(tag, await content.tags.pushed(repository, tag)))
            except NoSuchKey:
                continue
        for one in retired(mine, tags, time.time()):
            await _retire(content, repository, one, report)


async def _retire(content: Content, repository: str, one: Pushed, report: Report) -> None:
    if not report.dry_run:
        try:
            await content.manifests.delete_tag(repository, one.tag, pushed=one.time)
        except NoSuchKey:
            # Deleted, or pushed anew, a moment ago.
            return
        _log.info("retired %s:%s", repository, one.tag)
    report.tags.append(f"{repository}:{one.tag}")
