"""What a path of the API names: route, repository, and the last word.

    /v2/                                     base
    /v2/_catalog                             catalogue
    /v2/<name>/manifests/<tag or digest>     manifests
    /v2/<name>/blobs/<digest>                blobs
    /v2/<name>/blobs/uploads/                uploads, word ""
    /v2/<name>/blobs/uploads/<id>            uploads
    /v2/<name>/tags/list                     tags
    /v2/<name>/referrers/<digest>            referrers

Names may hold the words that stand behind them, so the path is read from its end. It is
percent-decoded once, as a whole; what a name may be made of leaves no room for tricks.
"""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import unquote

from msgspec import Struct

from wharfie.registry.names import check_repository


class Route(StrEnum):
    """The kinds of resources."""

    BASE = "base"
    CATALOGUE = "catalogue"
    MANIFESTS = "manifests"
    BLOBS = "blobs"
    UPLOADS = "uploads"
    TAGS = "tags"
    REFERRERS = "referrers"


class Target(Struct, frozen=True):
    """A parsed path."""

    route: Route
    repository: str = ""
    word: str = ""


_BASE = Target(Route.BASE)
_CATALOGUE = Target(Route.CATALOGUE)
_WITH_WORD = {
    "manifests": Route.MANIFESTS,
    "blobs": Route.BLOBS,
    "referrers": Route.REFERRERS,
}
_PREFIX = "/v2/"


def parse_target(path: str) -> Target | None:
    """What a path names, None when nothing.

    Raises:
        Refused: it names a repository that cannot be.
    """
    if path in ("/v2/", "/v2"):
        return _BASE
    if not path.startswith(_PREFIX):
        return None
    rest = unquote(path[len(_PREFIX) :]) if "%" in path else path[len(_PREFIX) :]
    if rest in ("_catalog", "_catalog/"):
        return _CATALOGUE
    found = _split(rest)
    if found is None:
        return None
    name, route, word = found
    return Target(route, check_repository(name), word)


def _split(rest: str) -> tuple[str, Route, str] | None:
    head, _, word = rest.rpartition("/")
    head, _, kind = head.rpartition("/")
    if kind == "uploads" and head.endswith("/blobs"):
        return head[: -len("/blobs")], Route.UPLOADS, word
    if not word:
        return None
    if kind == "blobs" and word == "uploads":
        return head, Route.UPLOADS, ""
    if kind == "tags" and word == "list":
        return head, Route.TAGS, ""
    route = _WITH_WORD.get(kind)
    return None if route is None else (head, route, word)
