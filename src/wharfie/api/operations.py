"""Operations: what a route is made of, and what decoders and handlers exchange.

    Incoming ──decode──▶ command ──gate──▶ handle(context, command) ──▶ Outcome

A command is a frozen Struct with everything the engine will be told; so the gate in between
sees the very object that is executed. Decoders are pure; handlers decide nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from typing import TypeVar

from msgspec import Struct

from wharfie.api.bodies import Document
from wharfie.api.query import Query
from wharfie.api.services import Context
from wharfie.api.versions import FLOOR, Version
from wharfie.web import Hijack, Request, Response, Stream

C = TypeVar("C")

MULTIPLEXED = "application/vnd.docker.multiplexed-stream"
RAW = "application/vnd.docker.raw-stream"
TAR = "application/x-tar"
JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


class BodyKind(Enum):
    """What becomes of a request's body."""

    NONE = auto()
    """Nobody reads it."""
    JSON = auto()
    """A JSON object that must be there."""
    OPTIONAL_JSON = auto()
    """A JSON object; an empty body is an empty one."""
    STREAM = auto()
    """The handler reads it piece by piece."""


class Incoming(Struct, frozen=True, kw_only=True):
    """A request as decoders see it, raised to the newest version.

    Attributes:
        names: decoded names of the path.
        document: the JSON body; empty for operations without one.
        now: nanoseconds since the epoch.
    """

    names: Mapping[str, str]
    query: Query
    document: Document
    request: Request
    now: int

    @property
    def ref(self) -> str:
        """The object the path names."""
        return self.names["ref"]


class Json(Struct, frozen=True):
    """A JSON reply, still a value; the compat layer may lower it before it is encoded."""

    value: object
    status: int = 200


Outcome = Json | Response | Stream | Hijack
NO_CONTENT = Response(204)
EMPTY = Response(200)


class Operation(Struct, frozen=True, kw_only=True):
    """One route.

    Attributes:
        name: method and pattern, "POST /containers/{ref}/start"; the key of compat changes.
        since: below this version it does not exist.
    """

    method: str
    pattern: str
    name: str
    body: BodyKind
    since: Version
    decode: Callable[[Incoming], object]
    handle: Callable[[Context, object], Outcome | Awaitable[Outcome]]


class Routes:
    """Operations of one tag, collected by decorators."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def add(
        self,
        method: str,
        pattern: str,
        decode: Callable[[Incoming], C],
        *,
        body: BodyKind = BodyKind.NONE,
        since: Version = FLOOR,
    ) -> Callable[[Handler[C]], Handler[C]]:
        """Decorate a handler of the commands `decode` makes."""

        def register(handle: Handler[C]) -> Handler[C]:
            self.operations.append(
                Operation(
                    method=method,
                    pattern=pattern,
                    name=f"{method} {pattern.replace(':.*', '')}",
                    body=body,
                    since=since,
                    decode=decode,
                    # The decoder of the same route makes what its handler takes.
                    handle=handle,  # type: ignore[arg-type]
                )
            )
            return handle

        return register


Handler = Callable[[Context, C], Outcome | Awaitable[Outcome]]


class ByRef(Struct, frozen=True):
    """A command that names an object and says no more."""

    ref: str

    @classmethod
    def of(cls, incoming: Incoming) -> ByRef:
        """From the path."""
        return cls(incoming.ref)


class Nothing(Struct, frozen=True):
    """A command without arguments."""

    @classmethod
    def of(cls, incoming: Incoming) -> Nothing:  # noqa: ARG003 # a decoder's signature
        """From anything."""
        return cls()
