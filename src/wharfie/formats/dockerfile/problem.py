"""What is wrong with a Dockerfile, and where; and the lines around it for people."""

from __future__ import annotations

from collections.abc import Sequence

_LEAD, _SHORT_LEAD = 4, 2
_RULE = "--------------------"
MAX_EXCERPT_LINE = 1000


class DockerfileProblem(ValueError):
    """A Dockerfile breaks a rule.

    Attributes:
        start, end: lines, counted from 1, both included; 0 where none is meant.
        is_grammar: the line cannot even be taken apart; such problems are told before others.
    """

    def __init__(
        self, message: str, start: int = 0, end: int = 0, *, is_grammar: bool = False
    ) -> None:
        super().__init__(message)
        self.is_grammar = is_grammar
        self.start = start
        self.end = max(start, end)

    def at(self, start: int, end: int) -> DockerfileProblem:
        """The same, at these lines unless it knows better."""
        if self.start:
            return self
        return DockerfileProblem(str(self), start, end, is_grammar=self.is_grammar)


def excerpt(filename: str, lines: Sequence[str], start: int, end: int) -> str:
    """The lines meant and a few around, numbered and marked; "" where the file has none of them.

        Dockerfile:2
        --------------------
           1 |     FROM busybox
           2 | >>> RUM true
        --------------------

    Source: BuildKit's progress output of a failed build.
    """
    if not 0 < start <= len(lines):
        return ""
    end = max(start, min(end, len(lines)))
    first, last, lead = start, end, _LEAD if end == start else _SHORT_LEAD
    while lead > 0 and (first > 1 or last < len(lines)):
        if first > 1:
            first, lead = first - 1, lead - 1
        if last < len(lines):
            last, lead = last + 1, lead - 1
        lead -= 1
    shown = [f"{filename}:{start}", _RULE]
    for number in range(first, last + 1):
        mark = ">>>" if start <= number <= end else "   "
        text = lines[number - 1].rstrip("\r")[:MAX_EXCERPT_LINE]
        shown.append(f" {number:3d} | {mark} {text}")
    return "\n".join([*shown, _RULE])
