"""The part of YAML that configuration files use: blocks, collections on one line, scalars.

Mappings and sequences by indentation or, on one line, as `{a: b}` and `[a, b]`; quoted and plain
scalars, comments, one document. Anchors, tags, block scalars and collections over several lines
in brackets are refused: a file that needs them is not understood rather than misread.

Source: YAML 1.2.2, chapters 7 and 8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

Path = tuple[str, ...]
Value = str | int | float | bool | list["Value"] | dict[str, "Value"] | None

_MOST_DEPTH = 64
_NUMBER = re.compile(r"[-+]?(0o[0-7]+|0x[0-9a-fA-F]+|[0-9]{1,18})")
_FLOAT = re.compile(r"[-+]?[0-9]+\.[0-9]*([eE][-+]?[0-9]+)?")
_KEY = re.compile(
    r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'\[\]{},&*!|>%@`#-][^#]*?|-[^\s#][^#]*?)\s*:(?:\s+|$)"""
)
_FLOW_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')""")
# A colon is part of a plain text unless a space follows it: `:5000`, `http://x`.
_FLOW_PLAIN = re.compile(r"(?:[^\s,\[\]{}:#\"']|:(?=[^\s,\[\]{}])|(?<=\S)[#\"']|[ ](?=[^#\s]))+")
_FLOW_KEY = re.compile(r"(?:[^\s,\[\]{}:#\"']|:(?=[^\s,\[\]{}])|[ ](?=[^#\s:]))+")
_WORDS: dict[str, Value] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None, "true": True, "True": True,
    "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "/": "/", "0": "\0", "r": "\r", " ": " "}


class YamlError(ValueError):
    """Not YAML, or more of it than is understood here."""


class _Line(NamedTuple):
    number: int
    indent: int
    text: str


class LocatedYaml(NamedTuple):
    """A document, and the line each of its members and items stands on, counted from 1.

    Paths are keys and indices from the top; `()` is the document itself.
    """

    value: Value
    lines: Mapping[Path, int]


def parse_yaml(text: str) -> Value:
    """The document of a file.

    Raises:
        YamlError: with the number of the line.
    """
    return parse_located_yaml(text).value


def parse_located_yaml(text: str) -> LocatedYaml:
    """As `parse_yaml`, with the lines of all members: for complaints about single ones.

    Raises:
        YamlError: with the number of the line.
    """
    lines = _lines(text)
    if not lines:
        return LocatedYaml(None, {})
    document = _Document(lines)
    value, rest = document.block(0, lines[0].indent, ())
    if rest < len(lines):
        raise _error(lines[rest], "wrong indentation")
    return LocatedYaml(value, document.places)


def _lines(text: str) -> list[_Line]:
    found: list[_Line] = []
    for number, raw in enumerate(text.splitlines(), 1):
        stripped = raw.strip(" ")
        if not stripped or stripped.startswith("#"):
            continue
        if stripped in ("---", "...") and not found:
            continue
        if stripped == "...":
            break
        if stripped.startswith("---"):
            raise YamlError(f"line {number}: a second document")
        if "\t" in raw[: len(raw) - len(raw.lstrip())]:
            raise YamlError(f"line {number}: a tab in the indentation")
        found.append(_Line(number, len(raw) - len(raw.lstrip(" ")), stripped.rstrip()))
    return found


class _Document:
    """One pass over the lines of a document; verbs return a value and the next line's index."""

    def __init__(self, lines: list[_Line]) -> None:
        self._lines = lines
        self.places: dict[Path, int] = {}

    def block(self, at: int, indent: int, path: Path) -> tuple[Value, int]:
        """The value that begins at a line."""
        line = self._lines[at]
        if len(path) > _MOST_DEPTH:
            raise _error(line, "nested too deeply")
        self.places.setdefault(path, line.number)
        if _is_item(line.text):
            return self._sequence(at, indent, path)
        if _KEY.match(line.text):
            return self._mapping(at, indent, path)
        return _scalar(line, line.text), at + 1

    def _sequence(self, at: int, indent: int, path: Path) -> tuple[Value, int]:
        items: list[Value] = []
        lines = self._lines
        while at < len(lines) and lines[at].indent == indent and _is_item(lines[at].text):
            line = lines[at]
            inside = (*path, str(len(items)))
            self.places[inside] = line.number
            rest = line.text[1:].lstrip(" ")
            if rest and not rest.startswith("#"):
                # What follows the dash stands as if on a line of its own, that far to the right.
                inner = indent + len(line.text) - len(rest)
                lines[at] = _Line(line.number, inner, rest)
                item, at = self.block(at, inner, inside)
            else:
                item, at = self._nested(at + 1, indent + 1, inside)
            items.append(item)
        return items, at

    def _mapping(self, at: int, indent: int, path: Path) -> tuple[Value, int]:
        members: dict[str, Value] = {}
        lines = self._lines
        while at < len(lines) and lines[at].indent == indent and not _is_item(lines[at].text):
            line = lines[at]
            found = _KEY.match(line.text)
            if found is None:
                raise _error(line, "a key is expected")
            key = str(_scalar(line, found[1])) if found[1][0] in "\"'" else found[1]
            if key in members:
                raise _error(line, f"{key} is there twice")
            self.places[(*path, key)] = line.number
            rest = line.text[found.end() :]
            if rest and not rest.startswith("#"):
                members[key], at = _scalar(line, rest), at + 1
                continue
            # A sequence may stand as far left as its key.
            follows = at + 1 < len(lines) and lines[at + 1]
            same = bool(follows) and lines[at + 1].indent == indent and _is_item(lines[at + 1].text)
            least = indent if same else indent + 1
            members[key], at = self._nested(at + 1, least, (*path, key))
        return members, at

    def _nested(self, at: int, least: int, path: Path) -> tuple[Value, int]:
        if at < len(self._lines) and self._lines[at].indent >= least:
            return self.block(at, self._lines[at].indent, path)
        return None, at


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _scalar(line: _Line, text: str) -> Value:
    if text[:1] == '"':
        return _double_quoted(line, text)
    if text[:1] == "'":
        return _single_quoted(line, text)
    if text[:1] and text[0] in "[{":
        return _Flow(line, text).whole()
    text = re.split(r"\s#", text, maxsplit=1)[0].strip()
    return _plain(line, text)


def _plain(line: _Line, text: str) -> Value:
    if text[:1] and text[0] in "&*!|>%@`":
        raise _error(line, f"{text[0]} is not understood")
    if text in _WORDS:
        return _WORDS[text]
    if _NUMBER.fullmatch(text):
        return int(text, 0) if text.lstrip("+-")[:2] in ("0o", "0x") else int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _double_quoted(line: _Line, text: str) -> str:
    found = re.match(r'"((?:[^"\\]|\\.)*)"\s*(#.*)?$', text)
    if found is None:
        raise _error(line, "a quote is not closed")

    def unescape(escape: re.Match[str]) -> str:
        if escape[1] not in _ESCAPES:
            raise _error(line, f"escape {escape[0]} is not understood")
        return _ESCAPES[escape[1]]

    return re.sub(r"\\(.)", unescape, found[1])


def _single_quoted(line: _Line, text: str) -> str:
    found = re.match(r"'((?:[^']|'')*)'\s*(#.*)?$", text)
    if found is None:
        raise _error(line, "a quote is not closed")
    return found[1].replace("''", "'")


class _Flow:
    """A collection in brackets, which must end on its line."""

    def __init__(self, line: _Line, text: str) -> None:
        self._line = line
        self._text = text
        self._at = 0

    def whole(self) -> Value:
        """The collection, behind which nothing but a comment may stand."""
        value = self._value(0)
        rest = self._text[self._at :]
        if rest.strip() and not re.match(r"\s+#", rest):
            raise _error(self._line, "something stands behind a closing bracket")
        return value

    def _value(self, depth: int) -> Value:
        if depth > _MOST_DEPTH:
            raise _error(self._line, "nested too deeply")
        sign = self._peek()
        if sign == "[":
            return self._sequence(depth)
        if sign == "{":
            return self._mapping(depth)
        return self._scalar(_FLOW_PLAIN)

    def _sequence(self, depth: int) -> Value:
        items: list[Value] = []
        self._at += 1
        while self._peek() != "]":
            items.append(self._value(depth + 1))
            self._separator("]")
        self._at += 1
        return items

    def _mapping(self, depth: int) -> Value:
        members: dict[str, Value] = {}
        self._at += 1
        while self._peek() != "}":
            key = str(self._scalar(_FLOW_KEY, is_key=True))
            if self._peek() != ":":
                raise _error(self._line, f"a value is expected behind {key}")
            self._at += 1
            if key in members:
                raise _error(self._line, f"{key} is there twice")
            is_empty = self._peek() in ",}"
            members[key] = None if is_empty else self._value(depth + 1)
            self._separator("}")
        self._at += 1
        return members

    def _scalar(self, pattern: re.Pattern[str], *, is_key: bool = False) -> Value:
        found = (_FLOW_QUOTED if self._peek() in "\"'" else pattern).match(self._text, self._at)
        text = found[0].strip() if found else ""
        if not text:
            raise _error(self._line, "such a collection is not understood")
        self._at += len(found[0]) if found else 0
        if text[0] == '"':
            return _double_quoted(self._line, text)
        if text[0] == "'":
            return _single_quoted(self._line, text)
        value = _plain(self._line, text)
        return text if is_key else value

    def _separator(self, end: str) -> None:
        sign = self._peek()
        if sign == ",":
            self._at += 1
        elif sign != end:
            raise _error(self._line, f"{end} or a comma is expected")

    def _peek(self) -> str:
        while self._text[self._at : self._at + 1] == " ":
            self._at += 1
        if self._at >= len(self._text):
            raise _error(self._line, "a bracket is not closed on its line")
        return self._text[self._at]


def _error(line: _Line, why: str) -> YamlError:
    return YamlError(f"line {line.number}: {why}")
