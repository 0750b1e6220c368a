"""Ranges: which bytes a request asks for, and which an upload's chunk claims to be.

Source: RFC 9110, sections 13.1.5 and 14; OCI distribution spec 1.1 for `Content-Range: 0-99`.
"""

from __future__ import annotations

import re

from wharfie.registry.errors import Code, Refused

_RANGE = re.compile(
    r"bytes[ \t]*=[ \t]*(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))[ \t]*", re.IGNORECASE | re.ASCII
)
_CHUNK = re.compile(r"(?:bytes[ =])?(\d{1,18})-(\d{1,18})(?:/(?:\d{1,18}|\*))?", re.ASCII)


def asked_range(text: str, size: int) -> tuple[int, int] | None:
    """The bytes a `Range` field asks for: first, and one behind the last.

    None asks for the whole: no field, several ranges, or one that is not understood, which a
    server may ignore.

    Raises:
        Refused: RANGE_INVALID, nothing of it is there.
    """
    found = _RANGE.fullmatch(text)
    if found is None:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise Refused(
            Code.RANGE_INVALID,
            "requested range not satisfiable",
            headers=[("Content-Range", f"bytes */{size}")],
        )
    return start, end


def chunk_range(text: str) -> tuple[int, int] | None:
    """First and last byte of a chunk by its `Content-Range`; None where it says nothing.

    Raises:
        Refused: RANGE_INVALID, malformed.
    """
    if not text:
        return None
    found = _CHUNK.fullmatch(text.strip())
    if found is None or int(found[2]) < int(found[1]):
        raise Refused(Code.RANGE_INVALID, "malformed Content-Range")
    return int(found[1]), int(found[2])


def is_fresh(if_none_match: str, etag: str) -> bool:
    """Tell whether a client that sent `If-None-Match` has the entity already."""
    if not if_none_match:
        return False
    tags = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    # Docker's registry takes digests without quotes, too.
    return "*" in tags or f'"{etag}"' in tags or etag in tags
