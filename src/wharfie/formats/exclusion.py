"""Patterns that leave files out: .dockerignore, `COPY --exclude`. Pure.

A pattern is Go's filepath.Match and `**` for any number of directories; `!` takes files back in,
the last pattern that matches decides, and what matches a directory holds for all below it.
Matching takes at most pattern times path steps, whatever the pattern: it comes from strangers.

Source: moby/patternmatcher; Docker's documentation of .dockerignore.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Sequence

from wharfie.formats.pathmatch import InvalidPattern, compile_pattern

_Match = Callable[[str], bool]


class Exclusions:
    """Patterns in their order.

    Args:
        patterns: as written, blank lines and comments already taken out.

    Raises:
        InvalidPattern: one is malformed.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = [_parse(pattern) for pattern in patterns if pattern.strip()]
        self.has_negations = any(negated for negated, _ in self._patterns)

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def excludes(self, path: str) -> bool:
        """Tell whether a path, relative and cleaned, is left out."""
        excluded = False
        above = None
        for negated, match in self._patterns:
            if negated != excluded:
                continue
            if above is None:
                above = _with_parents(path)
            if any(map(match, above)):
                excluded = not negated
        return excluded


def _with_parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(len(parts), 0, -1)]


def _parse(pattern: str) -> tuple[bool, _Match]:
    text = pattern.strip()
    negated = text.startswith("!")
    if negated:
        text = text[1:].strip()
        if not text:
            raise InvalidPattern('illegal exclusion pattern: "!"')
    cleaned = posixpath.normpath(text)
    if len(cleaned) > 1:
        cleaned = cleaned.lstrip("/")
    return negated, compile_deep(cleaned)


def compile_deep(pattern: str) -> _Match:
    """A predicate for relative paths by a pattern in which `**` crosses directories.

    Raises:
        InvalidPattern: the pattern is malformed.
    """
    if not set(pattern) & set("*?[\\"):
        return pattern.__eq__
    if "**" not in pattern:
        return compile_pattern(pattern)
    parts = [None if part == "**" else _part(part) for part in pattern.split("/")]
    if parts[-1] is None:
        parts.append(_always)  # what is below a directory is not the directory
    return lambda path: _matches(parts, path.split("/"))


def _part(part: str) -> _Match:
    # Inside of a name two stars are no more than one.
    while "**" in part:
        part = part.replace("**", "*")
    return compile_pattern(part)


def _matches(parts: Sequence[_Match | None], names: Sequence[str]) -> bool:
    """Walk both; on a mismatch let the last `**` (a None) take one more directory."""
    at = index = 0
    star, mark = -1, 0
    while index < len(names):
        part = parts[at] if at < len(parts) else _never
        if part is None:
            star, mark, at = at, index, at + 1
        elif part(names[index]):
            at, index = at + 1, index + 1
        elif star >= 0:
            mark += 1
            at, index = star + 1, mark
        else:
            return False
    return all(part is None for part in parts[at:])


def _always(_: str) -> bool:
    return True


def _never(_: str) -> bool:
    return False
