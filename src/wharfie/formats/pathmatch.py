"""Go's path.Match: shell patterns whose `*` and `?` stop at slashes.

Matching takes at most pattern times text steps, whatever the pattern: it comes from strangers.
Source: Go documentation, package path, Match.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Matcher = Callable[[str], bool]
_Token = Callable[[str], bool] | None


class InvalidPattern(ValueError):
    """An unclosed or empty bracket, or a trailing backslash."""


def compile_pattern(pattern: str) -> Matcher:
    """A predicate for whole strings.

    Raises:
        InvalidPattern: the pattern is malformed.
    """
    tokens: list[_Token] = []
    position = 0
    while position < len(pattern):
        token, position = _next_token(pattern, position)
        if token is not None or not tokens or tokens[-1] is not None:
            tokens.append(token)
    return lambda text: _matches(tokens, text)


def _next_token(pattern: str, position: int) -> tuple[_Token, int]:
    char = pattern[position]
    if char == "*":
        return None, position + 1
    if char == "?":
        return _is_no_slash, position + 1
    if char == "[":
        return _bracket(pattern, position + 1)
    literal, position = _character(pattern, position)
    return literal.__eq__, position


def _bracket(pattern: str, position: int) -> tuple[_Token, int]:
    negated = pattern.startswith("^", position)
    position += negated
    ranges: list[tuple[str, str]] = []
    while not (ranges and pattern.startswith("]", position)):
        if pattern.startswith(("]", "-"), position):
            raise InvalidPattern("syntax error in pattern")
        low, position = _character(pattern, position)
        high = low
        if pattern.startswith("-", position):
            high, position = _character(pattern, position + 1)
        ranges.append((low, high))

    def is_in(char: str) -> bool:
        return char != "/" and any(low <= char <= high for low, high in ranges) != negated

    return is_in, position + 1


def _character(pattern: str, position: int) -> tuple[str, int]:
    if pattern.startswith("\\", position):
        position += 1
    if position >= len(pattern):
        raise InvalidPattern("syntax error in pattern")
    return pattern[position], position + 1


def _is_no_slash(char: str) -> bool:
    return char != "/"


def _matches(tokens: Sequence[_Token], text: str) -> bool:
    """Walk both; on a mismatch let the last star (a None) take one more character."""
    at = index = 0
    star, mark = -1, 0
    while index < len(text):
        token = tokens[at] if at < len(tokens) else _never
        if token is None:
            star, mark, at = at, index, at + 1
        elif token(text[index]):
            at, index = at + 1, index + 1
        elif star >= 0 and text[mark] != "/":
            mark += 1
            at, index = star + 1, mark
        else:
            return False
    return all(token is None for token in tokens[at:])


def _never(_: str) -> bool:
    return False
