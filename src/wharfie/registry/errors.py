"""What a registry answers when it refuses: the specification's codes, one class.

`Code` is what clients look at. Which HTTP status goes with a code is the server's business
(`server/refusals.py`). Source: OCI distribution spec 1.1, "Error Codes"; Docker's registry for
those it does not list.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Code(StrEnum):
    """What is wrong, as a client's program reads it."""

    BLOB_UNKNOWN = "BLOB_UNKNOWN"
    BLOB_UPLOAD_INVALID = "BLOB_UPLOAD_INVALID"
    BLOB_UPLOAD_UNKNOWN = "BLOB_UPLOAD_UNKNOWN"
    DIGEST_INVALID = "DIGEST_INVALID"
    MANIFEST_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"
    MANIFEST_INVALID = "MANIFEST_INVALID"
    MANIFEST_UNKNOWN = "MANIFEST_UNKNOWN"
    NAME_INVALID = "NAME_INVALID"
    NAME_UNKNOWN = "NAME_UNKNOWN"
    SIZE_INVALID = "SIZE_INVALID"
    UNAUTHORIZED = "UNAUTHORIZED"
    DENIED = "DENIED"
    UNSUPPORTED = "UNSUPPORTED"
    TOOMANYREQUESTS = "TOOMANYREQUESTS"
    # Not in the specification's list; as Docker's registry has them.
    PAGINATION_NUMBER_INVALID = "PAGINATION_NUMBER_INVALID"
    RANGE_INVALID = "RANGE_INVALID"
    TAG_INVALID = "TAG_INVALID"
    TOO_LARGE = "TOO_LARGE"
    UNAVAILABLE = "UNAVAILABLE"
    UNKNOWN = "UNKNOWN"


class Refused(Exception):
    """A request the registry does not serve.

    Attributes:
        code: for the client's program.
        message: for its user.
        detail: a JSON value, None for none.
        headers: fields the answer needs besides (`WWW-Authenticate`, `Range`, `Retry-After`).
        others: further errors of the same answer: a manifest may lack several blobs.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        detail: object = None,
        headers: Sequence[tuple[str, str]] = (),
        others: Sequence[Refused] = (),
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.detail = detail
        self.headers = tuple(headers)
        self.others = tuple(others)
