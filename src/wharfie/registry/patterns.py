"""Patterns of repositories: Go's `path.Match` for each, and `**` at the end for all below.

library/*     library/alpine, not library/a/b
team/**       team/a and team/a/b
**            every repository
"""

from __future__ import annotations

from wharfie.formats.pathmatch import Matcher, compile_pattern


def repository_matcher(pattern: str) -> Matcher:
    """A predicate for names of repositories.

    Raises:
        InvalidPattern: malformed.
    """
    if pattern == "**":
        return lambda _name: True
    if not pattern.endswith("/**"):
        return compile_pattern(pattern)
    depth = pattern.count("/")
    head = compile_pattern(pattern[: -len("/**")])

    def matches(name: str) -> bool:
        parts = name.split("/")
        return len(parts) > depth and head("/".join(parts[:depth]))

    return matches
