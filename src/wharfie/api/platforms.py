"""Platforms in query strings: OCI platforms as JSON. Source: Engine API 1.46 to 1.52."""

from __future__ import annotations

import msgspec

from wharfie.api.query import Query
from wharfie.formats.oci.descriptor import Platform
from wharfie.model.errors import InvalidArgument

_MOST = 64


def platforms(query: Query, name: str = "platform") -> list[Platform]:
    """The platforms a request is about; none means that any will do.

    Raises:
        InvalidArgument: one is no platform.
    """
    texts = [text for text in query.texts(name) if text]
    if len(texts) > _MOST:
        raise InvalidArgument(f"more than {_MOST} platforms")
    return [_platform(text) for text in texts]


def platform(query: Query) -> Platform | None:
    """The platform a request is about; None when any will do.

    Raises:
        InvalidArgument: it is none, or there are several.
    """
    found = platforms(query)
    if len(found) > 1:
        raise InvalidArgument("multiple platform parameters are not supported here")
    return found[0] if found else None


def _platform(text: str) -> Platform:
    try:
        found = msgspec.json.decode(text, type=Platform)
    except msgspec.MsgspecError as error:
        raise InvalidArgument(f"failed to parse platform: {error}") from None
    if not found.os or not found.architecture:
        raise InvalidArgument("both OS and Architecture must be provided")
    return found
