"""Watching: what is told of every change, and of every request.

Both ports are called on the event loop and must return at once: queue, and be bounded.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from wharfie.model.caller import Caller
from wharfie.registry.ports.access import ANONYMOUS, Identity


class EventKind(StrEnum):
    """What happened, as Docker's notifications call it."""

    PUSH = "push"
    PULL = "pull"
    MOUNT = "mount"
    DELETE = "delete"


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened to a blob, a manifest or a tag.

    Attributes:
        media_type: "application/octet-stream" for blobs.
        digest: "" where only a tag was deleted.
        source: repository a blob was mounted from.
        path: of the object, `/v2/…`.
        host: what the client called this server.
    """

    kind: EventKind
    identity: Identity
    caller: Caller
    repository: str
    digest: str = ""
    tag: str = ""
    media_type: str = "application/octet-stream"
    size: int = 0
    source: str = ""
    path: str = ""
    host: str = ""
    method: str = ""
    user_agent: str = ""
    request_id: str = ""
    time: float = 0.0


class Outcome(Struct, frozen=True, kw_only=True):
    """One answered request.

    Attributes:
        route: "manifests", "blobs", "uploads", "tags", "catalogue", "referrers", "base", "page",
            "" for none.
        received: announced bytes of the body, -1 for a streamed one.
        sent: bytes of the answer's body.
        seconds: until the answer's head was ready.
        code: of the refusal, "" for none.
    """

    caller: Caller
    identity: Identity = ANONYMOUS
    method: str
    path: str
    query: str = ""
    route: str = ""
    repository: str = ""
    status: int
    code: str = ""
    received: int = 0
    sent: int = 0
    seconds: float = 0.0
    user_agent: str = ""
    referer: str = ""
    host: str = ""
    request_id: str = ""
    time: float = 0.0


class Observer(Protocol):
    """Is told; notifications, metrics and the access log are each one."""

    def happened(self, event: Event) -> None:
        """A push, pull, mount or deletion was acknowledged."""

    def answered(self, outcome: Outcome) -> None:
        """A request was answered."""
