"""Patterns of `${name#pattern}` and its kin: `*`, `?`, and a backslash before them.

A pattern is cut at its stars into pieces of fixed length; the earliest places of the pieces decide
whether it matches, so no pattern makes it slow. Source: POSIX shell, "Pattern Matching Notation",
without brackets, as Dockerfiles have it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wharfie.formats.dockerfile.problem import DockerfileProblem

MAX_PATTERN = 1024

_ANY = "."


class ShellPattern:
    """A compiled pattern."""

    def __init__(self, pattern: str, *, backwards: bool = False) -> None:
        """Compile; `backwards` for texts that are read from their end.

        Raises:
            DockerfileProblem: a backslash before another character, or too long.
        """
        if len(pattern) > MAX_PATTERN:
            raise DockerfileProblem(f"pattern of more than {MAX_PATTERN} characters")
        pieces = _pieces(pattern)
        if backwards:
            pieces = [piece[::-1] for piece in pieces[::-1]]
        self._pieces = [re.compile("".join(piece), re.DOTALL) for piece in pieces]
        self._ends_open = not pieces[-1]

    def prefix(self, value: str, *, longest: bool) -> int | None:
        """Length of the shortest or longest beginning that matches, None for none."""
        return self._end(value, 0, longest=longest)

    def find(self, value: str, start: int) -> tuple[int, int] | None:
        """The first match at or after `start`, as long as it can be; None for none."""
        first = self._pieces[0].search(value, start)
        if first is None:
            return None
        end = self._end(value, first.start(), longest=True)
        return None if end is None else (first.start(), end)

    def _end(self, value: str, start: int, *, longest: bool) -> int | None:
        first = self._pieces[0].match(value, start)
        if first is None or len(self._pieces) == 1:
            return first.end() if first else None
        reached = self._middle(value, first.end())
        if reached is None:
            return None
        if self._ends_open:
            return len(value) if longest else reached
        last = self._pieces[-1]
        if not longest:
            match = last.search(value, reached)
            return match.end() if match else None
        for at in range(len(value), reached - 1, -1):
            match = last.match(value, at)
            if match is not None:
                return match.end()
        return None

    def _middle(self, value: str, reached: int) -> int | None:
        """End of the pieces between the first and the last, each as early as can be."""
        for piece in self._pieces[1:-1]:
            match = piece.search(value, reached)
            if match is None:
                return None
            reached = match.end()
        return reached


def trim_prefix(pattern: str, value: str, *, longest: bool) -> str:
    """`value` without the beginning that matches."""
    end = ShellPattern(pattern).prefix(value, longest=longest)
    return value if end is None else value[end:]


def trim_suffix(pattern: str, value: str, *, longest: bool) -> str:
    """`value` without the end that matches."""
    length = ShellPattern(pattern, backwards=True).prefix(value[::-1], longest=longest)
    return value if length is None else value[: len(value) - length]


def replace(pattern: str, value: str, replacement: str, *, everywhere: bool) -> str:
    """`value` with the first match, or all of them, replaced."""
    if pattern and not any(char in pattern for char in "*?\\"):
        return value.replace(pattern, replacement, -1 if everywhere else 1)
    compiled = ShellPattern(pattern)
    parts: list[str] = []
    position = 0
    while (match := compiled.find(value, position)) is not None:
        start, end = match
        parts += [value[position:start], replacement]
        position = end
        if not everywhere:
            break
        if end == start:  # an empty match: go on behind the next character
            parts.append(value[end : end + 1])
            position = end + 1
        if position > len(value) or (position == len(value) and end > start):
            break
    return "".join([*parts, value[position:]])


def _pieces(pattern: str) -> Sequence[list[str]]:
    """What stands between the stars, as regular expressions of one character each."""
    pieces: list[list[str]] = [[]]
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            pieces.append([])
        elif char == "?":
            pieces[-1].append(_ANY)
        elif char == "\\":
            pieces[-1].append(_escaped(pattern[position : position + 1], pattern))
            position += 1
        else:
            pieces[-1].append(re.escape(char))
    return pieces


def _escaped(literal: str, pattern: str) -> str:
    # "}" and "/" are escaped for the sake of the braces around, not of the pattern.
    if literal not in ("*", "?", "\\", "}", "/") or not literal:
        raise DockerfileProblem(
            f"invalid pattern ({pattern}) in substitution: invalid escape '\\{literal}'"
        )
    return re.escape(literal)
