"""`.dockerignore`: which paths of a context are left out.

A pattern is Go's filepath.Match with `**` for any number of directories; it means a path or any
of its parents; `!` takes paths back in; the last pattern that matches decides. Client and daemon
decide by this one module. Matching never takes more than pattern times path steps.
Source: Docker documentation, ".dockerignore files"; moby/patternmatcher for its corners.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence

from wharfie.formats.pathmatch import InvalidPattern, compile_pattern

MAX_FILE = 1 << 20
MAX_PATTERNS = 10_000
_MAX_REMEMBERED = 10_000
_BOM = "\ufeff"
_STAR, _DEEP, _ALL = "[^/]*", "(?:.*/)?", ".*"
_WILD = frozenset({_STAR, _DEEP, _ALL})
_FEW = 2


class InvalidIgnoreFile(ValueError):
    """A pattern is malformed, or there are absurdly many."""


class _Pattern:
    def __init__(self, text: str) -> None:
        self.is_exception = text.startswith("!")
        self.text = text[1:] if self.is_exception else text
        try:
            compile_pattern(self.text)
        except InvalidPattern as error:
            raise InvalidIgnoreFile(f"{error}: {self.text[:80]!r}") from None
        self.has_wildcards = any(char in self.text for char in "*?[\\")
        self.matches = _matcher(self.text)


class IgnorePatterns:
    """The patterns of one file."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Compile cleaned patterns, as `read_ignore_file` returns them.

        Raises:
            InvalidIgnoreFile: one is malformed, or there are too many.
        """
        if len(patterns) > MAX_PATTERNS:
            raise InvalidIgnoreFile(f"more than {MAX_PATTERNS} patterns")
        self._patterns = [_Pattern(pattern) for pattern in patterns]
        self._exceptions = [pattern for pattern in self._patterns if pattern.is_exception]
        self._known: dict[str, tuple[bool, ...]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left out."""
        return not self._patterns

    def excludes(self, path: str) -> bool:
        """Whether a path (relative, with slashes) is left out."""
        excluded = False
        for pattern, matched in zip(self._patterns, self._matched(path), strict=True):
            if matched:
                excluded = not pattern.is_exception
        return excluded

    def may_hold_exceptions(self, directory: str) -> bool:
        """Whether something below an excluded directory may be taken back in."""
        below = f"{directory}/"
        return any(
            pattern.has_wildcards or f"{pattern.text}/".startswith(below)
            for pattern in self._exceptions
        )

    def _matched(self, path: str) -> tuple[bool, ...]:
        """For every pattern, whether it matches the path or a parent of it."""
        parent = posixpath.dirname(path)
        if parent and parent not in self._known:
            if len(self._known) >= _MAX_REMEMBERED:
                self._known.clear()
            # From the top down: a deep path must not become a deep recursion.
            names = parent.split("/")
            for count in range(1, len(names) + 1):
                directory = "/".join(names[:count])
                if directory not in self._known:
                    self._known[directory] = self._own(directory)
        return self._own(path)

    def _own(self, path: str) -> tuple[bool, ...]:
        above = self._known.get(posixpath.dirname(path), ())
        if not above:
            return tuple(pattern.matches(path) for pattern in self._patterns)
        return tuple(
            matched or pattern.matches(path)
            for pattern, matched in zip(self._patterns, above, strict=True)
        )


def read_ignore_file(data: bytes) -> list[str]:
    """The patterns of a `.dockerignore`, cleaned; exceptions keep their "!".

    Raises:
        InvalidIgnoreFile: absurdly large.
    """
    if len(data) > MAX_FILE:
        raise InvalidIgnoreFile(f".dockerignore of more than {MAX_FILE} bytes")
    patterns: list[str] = []
    for line in data.decode(errors="replace").removeprefix(_BOM).split("\n"):
        text = line.strip()
        if not text or line.startswith("#"):
            continue
        mark = ""
        if text.startswith("!"):
            mark, text = "!", text[1:].strip()
        if not text:
            raise InvalidIgnoreFile('illegal exclusion pattern: "!"')
        patterns.append(mark + _cleaned(text))
    return patterns


def _cleaned(path: str) -> str:
    clean = posixpath.normpath(path)
    return clean.lstrip("/") or "."


def _matcher(text: str) -> Callable[[str], bool]:
    if text.startswith("**") and not any(char in text[2:] for char in "*?[\\"):
        suffix = text[2:]
        return lambda path: path.endswith(suffix) or path == suffix[1:]
    tokens = _tokens(text)
    if all(len(token) == 1 for token in tokens):
        plain = "".join(tokens)
        return plain.__eq__
    if sum(token in _WILD for token in tokens) <= _FEW:
        pattern = "".join(token if len(token) > 1 else re.escape(token) for token in tokens)
        compiled = re.compile(pattern, re.DOTALL)
        return lambda path: compiled.fullmatch(path) is not None
    return _Automaton(tokens).matches


def _tokens(text: str) -> list[str]:
    """Single characters for themselves, longer pieces of a regular expression for the rest."""
    tokens: list[str] = []
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == "*" and text.startswith("*", position):
            position += 1
            position += text.startswith("/", position)
            tokens.append(_DEEP if position < len(text) else _ALL)
        elif char == "*":
            tokens.append(_STAR)
        elif char == "?":
            tokens.append("[^/]")
        elif char == "[":
            end = _bracket_end(text, position)
            tokens.append(_bracket(text[position:end]))
            position = end + 1
        elif char == "\\":
            tokens.append(text[position : position + 1])
            position += 1
        else:
            tokens.append(char)
    return tokens


def _bracket_end(text: str, position: int) -> int:
    while text[position] != "]":
        position += 2 if text[position] == "\\" else 1
    return position


def _bracket(inner: str) -> str:
    negated = inner.startswith("^")
    # Python would read "[", "&&", "--", "~~", "||" inside a set as something else one day.
    body = re.sub(r"([\[&~|])", r"\\\1", inner[negated:])
    return f"[{'^' * negated}{body}]"


class _Automaton:
    """Walks all ways through the pattern at once; bit n of a number is the state before token n."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tokens
        self._sets = {t: re.compile(t, re.DOTALL) for t in tokens if t.startswith("[")}
        self._all = self._where(_ALL)
        self._stars = self._where(_STAR)
        self._deep = self._where(_DEEP)
        self._wild = self._all | self._stars | self._deep
        self._taking: dict[str, int] = {}

    def matches(self, path: str) -> bool:
        states, inside = self._reached(1), 0
        for char in path:
            # Inside a _DEEP anything goes on; only a slash leads out.
            inside |= states & self._deep
            following = ((states & self._takes(char)) << 1) | (states & self._all)
            if char == "/":
                following |= inside << 1
            else:
                following |= states & self._stars
            states = self._reached(following)
            if not states | inside:
                return False
        return bool(states >> len(self._tokens) & 1)

    def _where(self, token: str) -> int:
        return sum(1 << index for index, known in enumerate(self._tokens) if known == token)

    def _takes(self, char: str) -> int:
        """States whose token is this very character, or a set that holds it."""
        mask = self._taking.get(char)
        if mask is None:
            mask = self._taking[char] = (
                sum(
                    1 << index
                    for index, token in enumerate(self._tokens)
                    if token == char or (token in self._sets and self._sets[token].fullmatch(char))
                )
                & ~self._wild
            )
        return mask

    def _reached(self, states: int) -> int:
        """And those reached without a character: every wildcard may stand for nothing."""
        while (more := states | ((states & self._wild) << 1)) != states:
            states = more
        return states
