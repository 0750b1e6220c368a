"""Scopes of tokens: what a client asks a token server for.

    scope    = resource *( " " resource )
    resource = type [ "(" class ")" ] ":" name ":" action *( "," action )

Source: Docker registry v2, "Token Scope Documentation".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

MOST_SCOPES = 64
_LONGEST = 512
_TYPE = re.compile(r"([a-z0-9]+)(?:\([a-z0-9]+\))?")
_ACTION = re.compile(r"[a-z]+|\*")
CATALOGUE = ("registry", "catalog")


class Scope(Struct, frozen=True):
    """One resource and what is to be done to it; as tokens have it in `access`.

    Attributes:
        type: "repository" or "registry".
        name: of the repository, or "catalog".
        actions: "pull", "push", "delete", "*".
    """

    type: str
    name: str
    actions: list[str]

    def __str__(self) -> str:
        return f"{self.type}:{self.name}:{','.join(self.actions)}"


def parse_scopes(values: Iterable[str]) -> list[Scope]:
    """The scopes of a request; what is none is left out, as token servers do."""
    found: list[Scope] = []
    for text in (word for value in values for word in value.split(" ") if word):
        head, _, actions = text.rpartition(":")
        kind, _, name = head.partition(":")
        match = _TYPE.fullmatch(kind)
        listed = [one for one in actions.split(",") if _ACTION.fullmatch(one)]
        if match is None or not name or not listed or len(text) > _LONGEST:
            continue
        found.append(Scope(match[1], name, list(dict.fromkeys(listed))))
        if len(found) >= MOST_SCOPES:
            break
    return found
