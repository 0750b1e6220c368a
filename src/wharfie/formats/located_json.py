"""JSON with the place of every value: for files that people write and programs complain about.

Errors are worded as Go's decoder words them and carry line and column, counted from 1. Of two
equal keys the last one counts, as in Go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from msgspec import Struct

_WHITE = " \t\r\n"
_ESCAPES = frozenset('"\\/bfnrtu')
_HEX = frozenset("0123456789abcdefABCDEF")
_DIGITS = frozenset("0123456789")
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_VALUES: dict[str, object] = {"true": True, "false": False, "null": None}
_MAX_DEPTH = 200
_END = "unexpected end of JSON input"

Path = tuple[str, ...]
"""Keys and indices from the top to a value."""


class Position(Struct, frozen=True, order=True):
    """A place in a text, from 1."""

    line: int
    column: int


class LocatedJson(Struct, frozen=True):
    """A document and where the values of its objects stand; a key's path leads to its value."""

    value: object
    positions: Mapping[Path, Position]


class JsonSyntaxError(ValueError):
    """The text is not JSON."""

    def __init__(self, message: str, position: Position) -> None:
        super().__init__(message)
        self.position = position


def decode_located(text: str) -> LocatedJson:
    """Decode one JSON document.

    Raises:
        JsonSyntaxError: at the first character that cannot be.
    """
    scan = _Scan(text)
    value = scan.value((), 0)
    scan.skip_white()
    if not scan.at_end():
        raise scan.unexpected("after top-level value")
    return LocatedJson(value, scan.positions)


class _Scan:
    """One pass over a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.positions: dict[Path, Position] = {}

    def at_end(self) -> bool:
        return self._at >= len(self._text)

    def skip_white(self) -> None:
        while not self.at_end() and self._text[self._at] in _WHITE:
            self._at += 1

    def value(self, path: Path, depth: int) -> object:
        """Read the value that begins here, white space before it included."""
        self.skip_white()
        if depth > _MAX_DEPTH:
            raise self._error("exceeded max depth")
        self.positions[path] = self._position(self._at)
        char = self._peek()
        if char == "{":
            return self._object(path, depth)
        if char == "[":
            return self._array(path, depth)
        if char == '"':
            return self._string()
        if char == "-" or char in _DIGITS:
            return self._number()
        if char in _LITERALS:
            return self._literal(_LITERALS[char])
        raise self.unexpected("looking for beginning of value")

    def unexpected(self, where: str) -> JsonSyntaxError:
        """The complaint about the character here."""
        if self.at_end():
            return self._error(_END)
        return self._error(f"invalid character {_quote(self._text[self._at])} {where}")

    def _object(self, path: Path, depth: int) -> dict[str, object]:
        found: dict[str, object] = {}
        self._at += 1
        self.skip_white()
        if self._peek() == "}":
            self._at += 1
            return found
        while True:
            self.skip_white()
            if self._peek() != '"':
                raise self.unexpected("looking for beginning of object key string")
            key = self._string()
            self.skip_white()
            self._expect(":", "after object key")
            found[key] = self.value((*path, key), depth + 1)
            self.skip_white()
            if self._peek() == "}":
                self._at += 1
                return found
            self._expect(",", "after object key:value pair")

    def _array(self, path: Path, depth: int) -> list[object]:
        found: list[object] = []
        self._at += 1
        self.skip_white()
        if self._peek() == "]":
            self._at += 1
            return found
        while True:
            found.append(self.value((*path, str(len(found))), depth + 1))
            self.skip_white()
            if self._peek() == "]":
                self._at += 1
                return found
            self._expect(",", "after array element")

    def _string(self) -> str:
        start = self._at
        self._at += 1
        while (char := self._peek()) != '"':
            if char < " ":
                raise self.unexpected("in string")
            self._at += 1
            if char == "\\":
                self._escape()
        self._at += 1
        decoded = json.loads(self._text[start : self._at])
        assert isinstance(decoded, str)
        # Half a surrogate pair is no character; Go puts U+FFFD in its place.
        return decoded.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _escape(self) -> None:
        char = self._peek()
        if char not in _ESCAPES:
            raise self.unexpected("in string escape code")
        self._at += 1
        for _ in range(4 if char == "u" else 0):
            if self._peek() not in _HEX:
                raise self.unexpected("in \\u hexadecimal character escape")
            self._at += 1

    def _number(self) -> int | float:
        start = self._at
        whole = True
        if self._peek() == "-":
            self._at += 1
        if self._peek() == "0":
            self._at += 1
        else:
            self._digits()
        if self._next_is("."):
            whole = False
            self._at += 1
            self._digits()
        if self._next_is("eE"):
            whole = False
            self._at += 1
            if self._next_is("+-"):
                self._at += 1
            self._digits()
        text = self._text[start : self._at]
        try:
            return int(text) if whole else float(text)
        except ValueError:  # Python refuses to read integers of thousands of digits
            raise self._error("number out of range") from None

    def _digits(self) -> None:
        if self._peek() not in _DIGITS:
            raise self.unexpected("in numeric literal")
        while self._next_is("0123456789"):
            self._at += 1

    def _literal(self, word: str) -> object:
        for char in word:
            if self._peek() != char:
                raise self.unexpected(f"in literal {word} (expecting {_quote(char)})")
            self._at += 1
        return _VALUES[word]

    def _peek(self) -> str:
        if self.at_end():
            raise self._error(_END)
        return self._text[self._at]

    def _next_is(self, chars: str) -> bool:
        return not self.at_end() and self._text[self._at] in chars

    def _expect(self, char: str, where: str) -> None:
        if self._peek() != char:
            raise self.unexpected(where)
        self._at += 1

    def _error(self, message: str) -> JsonSyntaxError:
        return JsonSyntaxError(message, self._position(self._at))

    def _position(self, at: int) -> Position:
        line = self._text.count("\n", 0, at) + 1
        return Position(line, at - (self._text.rfind("\n", 0, at) + 1) + 1)


def _quote(char: str) -> str:
    """A character as Go quotes it in these messages."""
    if char == "'":
        return r"'\''"
    if char == '"':
        return "'\"'"
    if char.isprintable():
        return f"'{char}'"
    code = ord(char)
    named = {"\n": r"\n", "\t": r"\t", "\r": r"\r", "\\": r"\\"}.get(char)
    spelt = "\\x" + f"{code:02x}" if code < 256 else "\\u" + f"{code:04x}"
    return f"'{named or spelt}'"
