"""Routing: method and path to a target, with names that may contain slashes.

A pattern is literal text with `{name}` (one segment) and `{name:.*}` (any text, slashes
included, longest match). Plain patterns are found by one dictionary access; others by the
first segment, in the order they were added. Captured text is percent-decoded after the match,
so an encoded slash never changes which route is taken.
"""

from __future__ import annotations

import re
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import unquote

T = TypeVar("T")

_FIELD = re.compile(r"\{(\w+)(?::(\.\*))?\}")
_VERSION = re.compile(r"/v([0-9.]+)(?=/)")


class Match(NamedTuple, Generic[T]):
    """A found target with the decoded names of its path."""

    target: T
    names: dict[str, str]


class Router(Generic[T]):
    """All routes of one application."""

    def __init__(self) -> None:
        self._plain: dict[tuple[str, str], Match[T]] = {}
        self._named: dict[tuple[str, str], list[tuple[re.Pattern[str], T]]] = {}

    def add(self, method: str, pattern: str, target: T) -> None:
        """Add a route.

        Raises:
            ValueError: the same plain route was added before, or the pattern is malformed.
        """
        if not pattern.startswith("/"):
            raise ValueError(f"pattern must start with a slash: {pattern}")
        if "{" not in pattern:
            if (method, pattern) in self._plain:
                raise ValueError(f"route added twice: {method} {pattern}")
            self._plain[method, pattern] = Match(target, {})
            return
        bucket = self._named.setdefault((method, _first_segment(pattern)), [])
        bucket.append((_compile(pattern), target))

    def find(self, method: str, path: str) -> Match[T] | None:
        """Find the target for a path without its query, None when there is none."""
        plain = self._plain.get((method, path))
        if plain is not None:
            return plain
        for pattern, target in self._named.get((method, _first_segment(path)), ()):
            found = pattern.fullmatch(path)
            if found is not None:
                names = found.groupdict()
                return Match(
                    target,
                    {k: unquote(v) if "%" in v else v for k, v in names.items()},
                )
        return None


def split_version(path: str) -> tuple[str, str]:
    """Split `/v1.51/info` into "1.51" and "/info"; without a version the first is ""."""
    if path.startswith("/v"):
        found = _VERSION.match(path)
        if found is not None:
            return found[1], path[found.end() :]
    return "", path


def _first_segment(path: str) -> str:
    return path[1:].partition("/")[0]


def _compile(pattern: str) -> re.Pattern[str]:
    parts: list[str] = []
    position = 0
    for found in _FIELD.finditer(pattern):
        parts.append(re.escape(pattern[position : found.start()]))
        parts.append(f"(?P<{found[1]}>{found[2] or '[^/]+'})")
        position = found.end()
    parts.append(re.escape(pattern[position:]))
    text = "".join(parts)
    if "{" in _FIELD.sub("", pattern):
        raise ValueError(f"malformed pattern: {pattern}")
    return re.compile(text, re.DOTALL)
