"""Collects findings as `# check=` wants them."""

from __future__ import annotations

from wharfie.build.frontend.linting.rules import Rule
from wharfie.formats.dockerfile.directives import Checks
from wharfie.formats.dockerfile.statement import Statement
from wharfie.model.build.plan import BuildWarning, SourceRange

MAX_FINDINGS = 1000


class Findings:
    """Findings of one build, each once however often its place is looked at."""

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self._warnings: dict[tuple[str, str, int], BuildWarning] = {}

    def add(self, rule: Rule, detail: str, statement: Statement, *, line: int = 0) -> None:
        """Note a finding at a statement, or at one line of it."""
        text = rule.value
        name = text.name.lower()
        if name in self._checks.skip or "all" in self._checks.skip:
            return
        wanted = self._checks.experimental
        if text.is_experimental and name not in wanted and "all" not in wanted:
            return
        start, end = (line, line) if line else (statement.start, statement.end)
        key = (text.name, detail, start)
        if key in self._warnings or len(self._warnings) >= MAX_FINDINGS:
            return
        self._warnings[key] = BuildWarning(
            rule=text.name,
            description=text.description,
            url=text.url,
            detail=detail,
            location=SourceRange(start, end),
            is_error=self._checks.error,
        )

    def warnings(self) -> list[BuildWarning]:
        """All findings, by their lines."""
        return sorted(self._warnings.values(), key=_line)

    def failure(self) -> str:
        """Why the build must not go on, "" where it may."""
        if not self._checks.error or not self._warnings:
            return ""
        rules = sorted({warning.rule for warning in self._warnings.values()})
        return f"lint violation found for rules: {', '.join(rules)}"


def _line(warning: BuildWarning) -> int:
    return warning.location.start if warning.location else 0
