"""JSON documents made by strangers, decoded into Structs.

Go programs write `null` for empty lists and maps and expect others to read it; members that
are null are therefore treated as absent, at every depth.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")

MAX_DOCUMENT = 4 << 20
"""Bytes of the largest manifest, index or config that is read; registries agree on 4 MiB."""


class DocumentError(ValueError):
    """A document is malformed or out of bounds."""


def decode(data: bytes, kind: type[T], *, what: str, limit: int = MAX_DOCUMENT) -> T:
    """Decode a JSON document.

    Args:
        data: its bytes.
        kind: the type to make.
        what: names the document in errors.
        limit: largest size accepted, in bytes.

    Raises:
        DocumentError: too large, too deep, not JSON, or of another shape.
    """
    if len(data) > limit:
        raise DocumentError(f"{what} is too large: {len(data)} bytes, at most {limit} are accepted")
    try:
        return msgspec.convert(without_nulls(msgspec.json.decode(data)), kind)
    except RecursionError:
        raise DocumentError(f"{what} is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DocumentError(f"invalid {what}: {error}") from None


def without_nulls(value: object) -> object:
    """A copy in which no object has a null member."""
    if isinstance(value, dict):
        return {key: without_nulls(member) for key, member in value.items() if member is not None}
    if isinstance(value, list):
        return [without_nulls(member) for member in value]
    return value
