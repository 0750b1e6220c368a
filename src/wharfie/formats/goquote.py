"""Text in quotes as Go's `%q` prints it. Source: Go documentation, strconv.Quote."""

from __future__ import annotations

_NAMED = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
}


def go_quote(text: str) -> str:
    """`"text"`, what does not print spelled out."""
    if text.isprintable() and "\\" not in text and '"' not in text:
        return f'"{text}"'
    return '"' + "".join(_spelled(char, '"') for char in text) + '"'


def go_quote_rune(number: int) -> str:
    """A number as `%q` prints an integer: the character of that code point, in quotes."""
    if not 0 <= number <= 0x10FFFF or 0xD800 <= number < 0xE000:
        number = 0xFFFD
    return f"'{_spelled(chr(number), chr(39))}'"


def _spelled(char: str, quote: str) -> str:
    if char == quote:
        return f"\\{char}"
    if char in _NAMED:
        return _NAMED[char]
    if char.isprintable():
        return char
    number = ord(char)
    if number < 0x20 or number == 0x7F:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
