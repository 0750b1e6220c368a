"""The part of YAML that configuration files written by programs use: blocks and plain scalars.

Mappings and sequences by indentation, quoted and plain scalars, `[a, b]` and `{}` on one line,
comments, one document. Anchors, tags, block scalars and flow mappings with members are refused:
a file that needs them is not understood rather than misread.

Source: YAML 1.2.2, chapters 7 and 8.
"""

from __future__ import annotations

import re
from typing import NamedTuple

Value = str | int | float | bool | list["Value"] | dict[str, "Value"] | None

_MOST_DEPTH = 64
_NUMBER = re.compile(r"[-+]?(0o[0-7]+|0x[0-9a-fA-F]+|[0-9]{1,18})")
_FLOAT = re.compile(r"[-+]?[0-9]+\.[0-9]*([eE][-+]?[0-9]+)?")
_KEY = re.compile(
    r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'\[\]{},&*!|>%@`#-][^#]*?|-[^\s#][^#]*?)\s*:(?:\s+|$)"""
)
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


def parse_yaml(text: str) -> Value:
    """The document of a file.

    Raises:
        YamlError: with the number of the line.
    """
    lines = _lines(text)
    if not lines:
        return None
    value, rest = _block(lines, 0, lines[0].indent, 0)
    if rest < len(lines):
        raise _error(lines[rest], "wrong indentation")
    return value


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


def _block(lines: list[_Line], at: int, indent: int, depth: int) -> tuple[Value, int]:
    """The value that begins at a line, and the number of the next one."""
    if depth > _MOST_DEPTH:
        raise _error(lines[at], "nested too deeply")
    line = lines[at]
    if line.text == "-" or line.text.startswith("- "):
        return _sequence(lines, at, indent, depth)
    if _KEY.match(line.text):
        return _mapping(lines, at, indent, depth)
    return _scalar(line, line.text), at + 1


def _sequence(lines: list[_Line], at: int, indent: int, depth: int) -> tuple[Value, int]:
    items: list[Value] = []
    while at < len(lines) and lines[at].indent == indent and _is_item(lines[at].text):
        line = lines[at]
        rest = line.text[1:].lstrip(" ")
        if rest and not rest.startswith("#"):
            # What follows the dash stands as if on a line of its own, that far to the right.
            inner = indent + len(line.text) - len(rest)
            lines[at] = _Line(line.number, inner, rest)
            item, at = _block(lines, at, inner, depth + 1)
        else:
            item, at = _nested(lines, at + 1, indent + 1, depth)
        items.append(item)
    return items, at


def _mapping(lines: list[_Line], at: int, indent: int, depth: int) -> tuple[Value, int]:
    members: dict[str, Value] = {}
    while at < len(lines) and lines[at].indent == indent and not _is_item(lines[at].text):
        line = lines[at]
        found = _KEY.match(line.text)
        if found is None:
            raise _error(line, "a key is expected")
        key = str(_scalar(line, found[1])) if found[1][0] in "\"'" else found[1]
        if key in members:
            raise _error(line, f"{key} is there twice")
        rest = line.text[found.end() :]
        if rest and not rest.startswith("#"):
            members[key], at = _scalar(line, rest), at + 1
            continue
        # A sequence may stand as far left as its key.
        follows = at + 1 < len(lines) and lines[at + 1]
        same = bool(follows) and lines[at + 1].indent == indent and _is_item(lines[at + 1].text)
        members[key], at = _nested(lines, at + 1, indent if same else indent + 1, depth)
    return members, at


def _nested(lines: list[_Line], at: int, least: int, depth: int) -> tuple[Value, int]:
    if at < len(lines) and lines[at].indent >= least:
        return _block(lines, at, lines[at].indent, depth + 1)
    return None, at


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _scalar(line: _Line, text: str) -> Value:
    if text[:1] == '"':
        return _double_quoted(line, text)
    if text[:1] == "'":
        return _single_quoted(line, text)
    text = re.split(r"\s#", text, maxsplit=1)[0].strip()
    if text[:1] == "[":
        return _flow_sequence(line, text)
    if text == "{}":
        return {}
    if text[:1] and text[0] in "{&*!|>%@`":
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


def _flow_sequence(line: _Line, text: str) -> Value:
    inner = text[1:-1].strip()
    if not text.endswith("]") or any(mark in inner for mark in "[]{}"):
        raise _error(line, "such a list is not understood")
    parts = re.findall(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,]*)\s*(?:,|$)""", inner)
    return [_scalar(line, part.strip()) for part in parts if part.strip()]


def _error(line: _Line, why: str) -> YamlError:
    return YamlError(f"line {line.number}: {why}")
