"""Expansion of variables: `$name`, `${name}`, and the operators inside the braces.

    ${n:-w} ${n-w}    w where n is unset (with ":" also where it is empty)
    ${n:+w} ${n+w}    w where n is set (and not empty)
    ${n:?w} ${n?w}    the build fails with w where n is unset (or empty)
    ${n#p} ${n##p} ${n%p} ${n%%p}    n without the shortest, longest beginning or end that matches
    ${n/p/r} ${n//p/r}               n with the first match, or all, replaced by r

Quotes are taken away, the escape character takes the meaning of the next one, single quotes keep
everything as it is. Values are not expanded again, so it always ends; what comes out is bounded.
Source: Dockerfile reference, "Environment replacement".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Flag, auto

from msgspec import Struct

from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.dockerfile.shell_pattern import replace, trim_prefix, trim_suffix
from wharfie.formats.goquote import go_quote

MAX_DEPTH = 50
MAX_RESULT = 1 << 18
"""Characters that the variables of one text come to; no program takes longer arguments."""
MAX_SHOWN = 200

_END = ""
_SPECIAL = frozenset("@*#?-$!0")


class Keep(Flag):
    """What an expansion leaves as it stands."""

    NOTHING = 0
    QUOTES = auto()
    """Quotes stay (the text goes to a shell, or is only shown)."""
    ESCAPES = auto()
    UNSET = auto()
    """A variable that is not set stays written as it is."""
    LITERAL_QUOTES = auto()
    """Quotes mean nothing (heredocs)."""


class Expanded(Struct, frozen=True):
    """A text expanded, whole and split into words.

    Attributes:
        unmatched: names that were not set.
        matched: names that were.
    """

    text: str
    words: list[str]
    unmatched: frozenset[str]
    matched: frozenset[str]


def expand(
    text: str, variables: Mapping[str, str], *, escape: str = "\\", keep: Keep = Keep.NOTHING
) -> Expanded:
    """Expand every variable of `text`.

    Raises:
        DockerfileProblem: broken syntax, a required variable is missing, or a result too long.
    """
    if not any(sign in text for sign in ("$", "'", '"', escape)):
        return Expanded(text, text.split(), frozenset(), frozenset())
    return _Lexer(text, variables, escape=escape, keep=keep).process()


class _Words:
    """Collects text and splits it at spaces that came unquoted."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.words: list[str] = []
        self._word: list[str] = []

    def add(self, text: str) -> None:
        self.text.append(text)
        words = text.split()
        if not words or text[0].isspace():
            self.end()
        for word in words[:-1]:
            self._word.append(word)
            self.end()
        self._word += words[-1:]
        if words and text[-1].isspace():
            self.end()

    def add_quoted(self, text: str) -> None:
        self.text.append(text)
        self._word.append(text)

    def end(self) -> None:
        word = "".join(self._word)
        if word:
            self.words.append(word)
        self._word = []


class _Lexer:
    def __init__(self, text: str, variables: Mapping[str, str], *, escape: str, keep: Keep) -> None:
        self._source = text
        self._text = text
        self._at = 0
        self._variables = variables
        self._escape = escape
        self._keep = keep
        self._depth = 0
        self._made = 0
        self._unmatched: set[str] = set()
        self._matched: set[str] = set()

    def process(self) -> Expanded:
        try:
            words = self._until(_END, raw_escapes=Keep.ESCAPES in self._keep)
        except DockerfileProblem as problem:
            source = go_quote(self._source[:MAX_SHOWN])
            raise DockerfileProblem(f"failed to process {source}: {problem}") from None
        return Expanded(
            "".join(words.text),
            words.words,
            frozenset(self._unmatched),
            frozenset(self._matched),
        )

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        char = self._peek()
        self._at += len(char)
        return char

    def _until(self, stop: str, *, raw_escapes: bool) -> _Words:
        words = _Words()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise DockerfileProblem("substitutions nested too deeply")
        has_quotes = Keep.LITERAL_QUOTES not in self._keep
        while (char := self._peek()) != _END:
            if char == stop:
                self._next()
                self._depth -= 1
                words.end()
                return words
            if char == "$":
                value = self._counted(self._dollar())
                if value:
                    words.add(value)
            elif has_quotes and char == "'":
                words.add_quoted(self._single_quoted())
            elif has_quotes and char == '"':
                words.add_quoted(self._counted(self._double_quoted(raw_escapes=raw_escapes)))
            else:
                self._plain(words, raw_escapes=raw_escapes)
        if stop != _END:
            raise DockerfileProblem(
                f"unexpected end of statement while looking for matching {stop}"
            )
        self._depth -= 1
        words.end()
        return words

    def _counted(self, text: str) -> str:
        self._made += len(text)
        if self._made > MAX_RESULT:
            raise DockerfileProblem(f"expands to more than {MAX_RESULT} characters")
        return text

    def _plain(self, words: _Words, *, raw_escapes: bool) -> None:
        char = self._next()
        if char != self._escape:
            words.add(char)
            return
        if raw_escapes:
            words.add_quoted(char)
        escaped = self._next()
        if escaped != _END:
            words.add_quoted(escaped)

    def _single_quoted(self) -> str:
        quote = self._next()
        end = self._text.find("'", self._at)
        if end < 0:
            raise DockerfileProblem(
                "unexpected end of statement while looking for matching single-quote"
            )
        inner, self._at = self._text[self._at : end], end + 1
        return f"{quote}{inner}{quote}" if Keep.QUOTES in self._keep else inner

    def _double_quoted(self, *, raw_escapes: bool) -> str:
        quote = self._next() if Keep.QUOTES in self._keep else (self._next() and "")
        result = [quote]
        while (char := self._peek()) != '"':
            if char == _END:
                raise DockerfileProblem(
                    "unexpected end of statement while looking for matching double-quote"
                )
            if char == "$":
                result.append(self._counted(self._dollar()))
                continue
            self._next()
            if char == self._escape:
                if raw_escapes:
                    result.append(char)
                following = self._peek()
                if following == _END:
                    continue
                if following in ('"', "$", self._escape):
                    char = self._next()
                elif raw_escapes:
                    continue
            result.append(char)
        self._next()
        result.append(quote)
        return "".join(result)

    def _dollar(self) -> str:
        self._next()
        if self._peek() != "{":
            name = self._name()
            if not name:
                return "$"
            value = self._value(name)
            if value is None:
                return f"${name}" if Keep.UNSET in self._keep else ""
            return value
        self._next()
        if self._peek() == _END:
            raise DockerfileProblem("syntax error: missing '}'")
        if self._peek() in "{}:":
            raise DockerfileProblem("syntax error: bad substitution")
        name = self._name()
        return self._braced(name)

    def _braced(self, name: str) -> str:
        operator = self._next()
        if operator == "}":
            value = self._value(name)
            if value is None:
                return f"${{{name}}}" if Keep.UNSET in self._keep else ""
            return value
        if operator == "/":
            return self._replaced(name)
        if operator == ":":
            operator += self._next()
        elif operator not in tuple("+-?#%"):
            # The end of the text is what Go's scanner makes of it.
            raise DockerfileProblem(
                f"unsupported modifier ({operator or chr(0xFFFD)}) in substitution"
            )
        word = self._operand("}", raw_escapes=operator[-1] in "#%")
        if operator[-1] not in "+-?#%":
            raise DockerfileProblem(f"unsupported modifier ({operator}) in substitution")
        value = self._value(name)
        if value is None and Keep.UNSET in self._keep:
            return f"${{{name}{operator}{word}}}"
        return _operated(name, value, operator, word)

    def _replaced(self, name: str) -> str:
        everywhere = self._peek() == "/"
        if everywhere:
            self._next()
        pattern = self._operand("/", raw_escapes=True)
        replacement = self._operand("}", raw_escapes=True)
        value = self._value(name)
        if value is None and Keep.UNSET in self._keep:
            return f"${{{name}/{pattern}/{replacement}}}"
        if len(value or "") * (len(replacement) + 1) > MAX_RESULT and everywhere:
            raise DockerfileProblem(f"expands to more than {MAX_RESULT} characters")
        return replace(pattern, value or "", replacement, everywhere=everywhere)

    def _operand(self, stop: str, *, raw_escapes: bool) -> str:
        try:
            return "".join(self._until(stop, raw_escapes=raw_escapes).text)
        except DockerfileProblem:
            if self._peek() == _END:
                where = "'/' in ${}" if stop == "/" else "'}'"
                raise DockerfileProblem(f"syntax error: missing {where}") from None
            raise

    def _name(self) -> str:
        start = self._at
        char = self._peek()
        if char.isdigit():
            while self._peek().isdigit():
                self._at += 1
            return self._text[start : self._at]
        if char and char in _SPECIAL:
            self._at += 1
            return char
        while (char := self._peek()) and (char.isalnum() or char == "_"):
            self._at += 1
        return self._text[start : self._at]

    def _value(self, name: str) -> str | None:
        value = self._variables.get(name)
        (self._unmatched if value is None else self._matched).add(name)
        return value


def _operated(name: str, value: str | None, operator: str, word: str) -> str:
    empty_is_unset = operator[0] == ":"
    is_unset = value is None or (empty_is_unset and not value)
    match operator[-1]:
        case "-":
            return word if is_unset or value is None else value
        case "+":
            return "" if is_unset else word
        case "?":
            if is_unset:
                what = "unset" if value is None else "empty"
                raise DockerfileProblem(f"{name}: {word or f'is not allowed to be {what}'}")
            return value or ""
        case "#":
            longest = word.startswith("#")
            return trim_prefix(word[longest:], value or "", longest=longest)
        case _:
            longest = word.startswith("%")
            return trim_suffix(word[longest:], value or "", longest=longest)
