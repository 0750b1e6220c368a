"""Values of log options, read as Go reads them; InvalidArgument in Go's words."""

from __future__ import annotations

from wharfie.formats.duration import parse_duration
from wharfie.formats.units import parse_decimal_size, parse_size
from wharfie.model.errors import InvalidArgument

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


def parse_boolean(text: str) -> bool:
    """As Go's ParseBool."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise InvalidArgument(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def parse_integer(text: str) -> int:
    """As Go's Atoi."""
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 18:
        raise InvalidArgument(f'strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


def parse_ram(text: str) -> int:
    """A size in units of 1024."""
    try:
        return parse_size(text)
    except ValueError as error:
        raise InvalidArgument(str(error)) from None


def parse_human(text: str) -> int:
    """A size in units of 1000."""
    try:
        return parse_decimal_size(text)
    except ValueError as error:
        raise InvalidArgument(str(error)) from None


def parse_milliseconds(text: str) -> int:
    """A duration such as "1s"."""
    try:
        return parse_duration(text) // 1_000_000
    except ValueError as error:
        raise InvalidArgument(str(error)) from None
