"""A change: what one API version did to requests and replies, as functions by operation name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct, field

from wharfie.api.bodies import Document
from wharfie.api.query import Query
from wharfie.api.versions import Version


class Change(Struct, frozen=True, kw_only=True):
    """What `version` changed, for those who speak an older one.

    Attributes:
        documents: make an older request body a newer one, in place; may refuse.
        queries: the same for queries.
        replies: make a newer reply (plain values) an older one; return it.
        content_types: older names of newer stream types.
    """

    version: Version
    documents: Mapping[str, Callable[[Document], None]] = field(default_factory=dict)
    queries: Mapping[str, Callable[[Query], None]] = field(default_factory=dict)
    replies: Mapping[str, Callable[[object], object]] = field(default_factory=dict)
    content_types: Mapping[str, str] = field(default_factory=dict)


ATTACH_WEBSOCKET = "GET /containers/{ref}/attach/ws"
CREATE = "POST /containers/create"
INSPECT = "GET /containers/{ref}/json"
LIST = "GET /containers/json"
EXEC_CREATE = "POST /containers/{ref}/exec"
EXEC_START = "POST /exec/{ref}/start"
IMAGE_LIST = "GET /images/json"
IMAGE_INSPECT = "GET /images/{ref}/json"
NETWORK_CREATE = "POST /networks/create"
NETWORK_CONNECT = "POST /networks/{ref}/connect"
INFO = "GET /info"
VOLUME_PRUNE = "POST /volumes/prune"
DISK_USAGE = "GET /system/df"


def take(document: Document, name: str) -> str | None:
    """The key of a member in whatever case it was sent, None where it was not."""
    wanted = name.lower()
    return next((key for key in document if key.lower() == wanted), None)


def drop(document: Document, *names: str) -> None:
    """Remove members, in whatever case they were sent."""
    wanted = {name.lower() for name in names}
    for key in [key for key in document if key.lower() in wanted]:
        del document[key]


def member(document: Document, name: str) -> Document:
    """An object inside an object; an empty, detached one where it is not there."""
    key = take(document, name)
    value = None if key is None else document[key]
    return value if isinstance(value, dict) else {}


def members(document: Document, name: str) -> list[Document]:
    """The objects of a list inside an object."""
    key = take(document, name)
    value = None if key is None else document[key]
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def items(reply: object) -> list[Document]:
    """The objects of a list reply."""
    return [one for one in reply if isinstance(one, dict)] if isinstance(reply, list) else []
