"""JSON as Go writes it, and a reader that starts in a fraction of a millisecond.

The reader drives the C scanner of the standard library directly: importing `json` costs the
command line several milliseconds for a regular expression it does not need here. Numbers that
are not integers keep their spelling (`RawFloat`), so that what was read can be written unchanged.
The writer keeps key order and spells like Go's `encoding/json`: no spaces, `<`, `>` and `&`
escaped only when asked, invalid floats refused.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Protocol

    class _Scan(Protocol):
        def __call__(self, text: str, index: int, /) -> tuple[object, int]: ...


_MAX_DEPTH = 500


class JsonError(ValueError):
    """The text is not one JSON value, or the value has no JSON spelling."""


class RawFloat(float):
    """A number with a fraction or exponent that remembers how it was written."""

    __slots__ = ("text",)

    text: str

    def __new__(cls, text: str) -> RawFloat:
        """Parse `text`, as handed over by the scanner."""
        number = super().__new__(cls, text)
        number.text = text
        return number


def _refuse(text: str) -> object:
    raise JsonError(f"invalid number {text}")


class _Context:
    """What the C scanner wants to know; the names are its own."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = RawFloat
    parse_int = int
    parse_constant = staticmethod(_refuse)
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner looks the attribute up by this name


def _scanner() -> _Scan:
    try:
        import _json  # noqa: PLC0415 - see the module's docstring

        scan: _Scan = getattr(_json, "make_scanner")(_Context)  # noqa: B009 - typed for json only
    except ImportError:  # an interpreter without the C part
        from json import JSONDecoder  # noqa: PLC0415

        scan = getattr(JSONDecoder(parse_float=RawFloat), "scan_once")  # noqa: B009 - undeclared
    return scan


_scan: _Scan | None = None


def scan_value(text: str, index: int = 0) -> tuple[object, int]:
    """Read one value at `index` (no white space before it); return it and where it ends.

    Raises:
        StopIteration: the text ends, or holds no value, at `StopIteration.value`.
        JsonError: the value is broken.
    """
    global _scan  # noqa: PLW0603 - made once, on first use
    if _scan is None:
        _scan = _scanner()
    try:
        return _scan(text, index)
    except StopIteration:
        raise
    except RecursionError:
        raise JsonError("exceeded max depth") from None
    except ValueError as error:
        raise JsonError(str(error)) from None


_SPACE = " \t\r\n"


def skip_space(text: str, index: int) -> int:
    """Return the index of the first character at or after `index` that is no white space."""
    end = len(text)
    while index < end and text[index] in _SPACE:
        index += 1
    return index


def loads(data: str | bytes | bytearray) -> object:
    """Read exactly one JSON value.

    Raises:
        JsonError: broken, empty, or followed by something else.
    """
    text = data if isinstance(data, str) else bytes(data).decode("utf-8", "replace")
    start = skip_space(text, 0)
    try:
        value, end = scan_value(text, start)
    except StopIteration as stop:
        where = stop.value if isinstance(stop.value, int) else 0
        if where >= len(text):
            raise JsonError("unexpected end of JSON input") from None
        raise JsonError(
            f"invalid character {text[where]!r} looking for beginning of value"
        ) from None
    if skip_space(text, end) != len(text):
        raise JsonError(f"invalid character {text[skip_space(text, end)]!r} after top-level value")
    return value


_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\b": "\\b",
    "\f": "\\f",
}
_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def quote(text: str, *, html: bool = False) -> str:
    """Spell a string as Go's encoder does; `html` escapes `<`, `>` and `&` as its default does."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text and not html:
        return f'"{text}"'
    out = []
    for char in text:
        code = ord(char)
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif html and char in _HTML:
            out.append(_HTML[char])
        elif code < 0x20 or code in {0x2028, 0x2029}:
            out.append(f"\\u{code:04x}")
        elif 0xD800 <= code <= 0xDFFF:
            out.append("\\ufffd")
        else:
            out.append(char)
    return '"' + "".join(out) + '"'


def go_float(value: float) -> str:
    """Spell a float as Go's encoder does (shortest digits, exponent only when far from one)."""
    if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - NaN
        raise JsonError("unsupported value")
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    text = repr(value)
    if "e" not in text:
        return text
    mantissa, _, exponent = text.partition("e")
    sign = exponent[0] if exponent[0] in "+-" else "+"
    return f"{mantissa}e{sign}{exponent.lstrip('+-').lstrip('0').zfill(1 if sign == '-' else 2)}"


class _Writer:
    """One run of the writer: options and output."""

    __slots__ = ("html", "indent", "out", "prefix")

    def __init__(self, *, indent: str, html: bool) -> None:
        self.indent = indent
        self.html = html
        self.out: list[str] = []

    def value(self, value: object, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise JsonError("exceeded max depth")
        if value is None:
            self.out.append("null")
        elif isinstance(value, bool):
            self.out.append("true" if value else "false")
        elif isinstance(value, str):
            self.out.append(quote(value, html=self.html))
        elif isinstance(value, int):
            self.out.append(str(value))
        elif isinstance(value, RawFloat):
            self.out.append(value.text)
        elif isinstance(value, float):
            self.out.append(go_float(value))
        elif isinstance(value, dict):
            self._object(value, depth)
        elif isinstance(value, (list, tuple)):
            self._members("[", "]", [("", item) for item in value], depth)
        else:
            raise JsonError(f"unsupported type: {type(value).__name__}")

    def _object(self, value: Mapping[str, object], depth: int) -> None:
        gap = ": " if self.indent else ":"
        pairs = [(quote(str(key), html=self.html) + gap, item) for key, item in value.items()]
        self._members("{", "}", pairs, depth)

    def _members(self, start: str, end: str, pairs: list[tuple[str, object]], depth: int) -> None:
        out = self.out
        if not pairs:
            out.append(start + end)
            return
        inner = "\n" + self.indent * (depth + 1) if self.indent else ""
        separator = start
        for label, item in pairs:
            out.append(separator + inner + label)
            self.value(item, depth + 1)
            separator = ","
        out.append(("\n" + self.indent * depth if self.indent else "") + end)


def dumps(value: object, *, indent: str = "", html: bool = False) -> str:
    """Write a value; `indent` is the text of one level, empty for one line.

    Raises:
        JsonError: something in it has no JSON spelling.
    """
    writer = _Writer(indent=indent, html=html)
    writer.value(value, 0)
    return "".join(writer.out)


class Stream:
    """Splits concatenated JSON values (progress, events), whatever the chunks."""

    def __init__(self, *, max_value: int = 64 << 20) -> None:
        self._max = max_value
        self._tail = b""

    def feed(self, data: bytes) -> list[object]:
        """Return every value that is complete once `data` was added.

        Values are taken to end at a line end, which every Docker stream observes; a line holding
        several values yields them all.

        Raises:
            JsonError: broken, or one value longer than `max_value` bytes.
        """
        head, newline, rest = data.rpartition(b"\n")
        if not newline:
            self._tail += data
            if len(self._tail) > self._max:
                raise JsonError("JSON value too long")
            return []
        complete, self._tail = self._tail + head, rest
        return list(_values(complete.decode("utf-8", "replace")))

    def close(self) -> list[object]:
        """Return what an unfinished last line held."""
        text, self._tail = self._tail.decode("utf-8", "replace"), b""
        return list(_values(text))


def _values(text: str) -> list[object]:
    found: list[object] = []
    index = skip_space(text, 0)
    while index < len(text):
        try:
            value, index = scan_value(text, index)
        except StopIteration:
            raise JsonError(f"invalid character {text[index]!r} in a stream of values") from None
        found.append(value)
        index = skip_space(text, index)
    return found
