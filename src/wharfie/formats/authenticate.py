"""`WWW-Authenticate`: a field's text to the challenges in it.

    WWW-Authenticate = challenge *( "," challenge )
    challenge        = scheme [ name "=" ( token | quoted ) *( "," name "=" … ) ]

Source: RFC 9110 section 11.6.1; the distribution specification's token authentication.
"""

from __future__ import annotations

import re

from msgspec import Struct, field

_MAX = 8192
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a grammar
_SCHEME = re.compile(rf"\s*,*\s*({_TOKEN})(?:\s+|$)")
_PARAMETER = re.compile(rf'\s*,?\s*({_TOKEN})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]+)\s*(?=,|$)')


class Challenge(Struct, frozen=True):
    """One way to authenticate; scheme and names of parameters in lower case."""

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)


def parse_challenges(text: str) -> list[Challenge]:
    """The challenges of a field; what does not parse ends the list."""
    challenges: list[Challenge] = []
    position = 0
    text = text[:_MAX]
    while scheme := _SCHEME.match(text, position):
        position = scheme.end()
        parameters: dict[str, str] = {}
        while found := _PARAMETER.match(text, position):
            position = found.end()
            parameters.setdefault(found[1].lower(), _unquoted(found[2]))
        challenges.append(Challenge(scheme[1].lower(), parameters))
    return challenges


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1])
