"""Query strings to typed values, by Docker's rules.

A bool is false for "", 0, no, false and none, in any case, and true for all else. Unknown
parameters are ignored, as drop-ins that refused them found out. Source: api.md §2.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

from wharfie.api.times import parse_time
from wharfie.model.errors import InvalidArgument

_FALSE = frozenset({"", "0", "no", "false", "none"})
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)


class Query:
    """The parameters of one request; `values` is open to the compat layer only."""

    __slots__ = ("values",)

    def __init__(self, text: str = "") -> None:
        self.values: dict[str, list[str]] = {}
        for pair in text.split("&") if text else ():
            name, _, value = pair.partition("=")
            if name:
                self.values.setdefault(_decode(name), []).append(_decode(value))

    def has(self, name: str) -> bool:
        """Tell whether a parameter was given, empty or not."""
        return name in self.values

    def text(self, name: str, default: str = "") -> str:
        """The first value of a parameter."""
        values = self.values.get(name)
        return values[0] if values else default

    def texts(self, name: str) -> list[str]:
        """All values of a parameter."""
        return self.values.get(name, [])

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A bool; `default` only where the parameter is missing."""
        values = self.values.get(name)
        return values[0].strip().lower() not in _FALSE if values else default

    def integer(self, name: str) -> int | None:
        """A whole number, None where missing or empty.

        Raises:
            InvalidArgument: something else.
        """
        text = self.text(name)
        if not text:
            return None
        if not _INTEGER.fullmatch(text):
            raise InvalidArgument(f'invalid value for {name}: parsing "{text}": invalid syntax')
        return int(text)

    def time(self, name: str, *, now: int) -> int | None:
        """A time in nanoseconds since the epoch, None where missing or empty."""
        text = self.text(name)
        return parse_time(text, now=now) if text else None


def _decode(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text
