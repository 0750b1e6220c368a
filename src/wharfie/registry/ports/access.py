"""Access: who asks, and whether he may.

The server asks once for each request, before it looks at storage, with everything the request
would touch: pushing with `from=` asks for a pull of the other repository too. What is refused is
raised as `Refused` with the code and the header fields of the answer (a challenge is
UNAUTHORIZED with `WWW-Authenticate`, a rate limit TOOMANYREQUESTS with `Retry-After`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from wharfie.model.caller import Caller


class Action(StrEnum):
    """What is done to a repository, as token scopes spell it."""

    PULL = "pull"
    PUSH = "push"
    DELETE = "delete"
    CATALOGUE = "*"
    """The list of repositories; its resource is `registry:catalog`, the repository is ""."""


class Ask(Struct, frozen=True):
    """One thing a request needs; `repository` is "" for the catalogue.

    Attributes:
        is_optional: the request goes on without it (the source of a mount).
    """

    action: Action
    repository: str
    is_optional: bool = False


class Identity(Struct, frozen=True):
    """Somebody the registry knows; `name` "" is anonymous."""

    name: str = ""

    @property
    def is_anonymous(self) -> bool:
        """Nobody in particular."""
        return not self.name


ANONYMOUS = Identity()


class Asking(Struct, frozen=True, kw_only=True):
    """A request as access control sees it.

    Attributes:
        headers: by lower-case name.
        host: what the client called this server, "" when it did not say.
        is_secure: it came over TLS.
    """

    caller: Caller
    method: str
    path: str
    headers: Mapping[str, str]
    host: str
    is_secure: bool


class Decision(Struct, frozen=True):
    """A request that may go on.

    Attributes:
        granted: the asks that are granted; all but optional ones are.
    """

    identity: Identity
    granted: Sequence[Ask]


class Access(Protocol):
    """Decides."""

    async def decide(self, asking: Asking, asks: Sequence[Ask]) -> Decision:
        """Let a request go on.

        Args:
            asking: the request.
            asks: what it needs; empty for `GET /v2/`, which is how clients find out whether and
                how to log in.

        Raises:
            Refused: UNAUTHORIZED with a challenge, DENIED, or TOOMANYREQUESTS.
        """

    async def visible(self, asking: Asking, repositories: Sequence[str]) -> Sequence[str]:
        """Of a page of the catalogue, what this client may pull, in the same order."""
