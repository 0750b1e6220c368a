"""The one table of HTTP statuses: error class to status, and the body that carries an error."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from wharfie.model.errors import (
    Conflict,
    EngineError,
    Forbidden,
    Internal,
    InvalidArgument,
    NotFound,
    NotModified,
    NotSupported,
    StartFailed,
    Unauthorized,
    Unavailable,
)

STATUSES: dict[type[EngineError], int] = {
    InvalidArgument: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    NotModified: 304,
    NotSupported: 501,
    Unavailable: 503,
    Internal: 500,
}
_CLASSES = {status: kind for kind, status in STATUSES.items()}
_NOT_THE_ENGINES_FAULT = frozenset({126, 127})


class ErrorBody(Struct, frozen=True):
    """The body of every refusal."""

    message: str


def status_of(error: EngineError) -> int:
    """The status that tells a client what `error` is.

    A command that does not exist or cannot run is the caller's mistake (400), any other failed
    start is not. Source: behaviours 65.
    """
    if isinstance(error, StartFailed):
        return 400 if error.exit_code in _NOT_THE_ENGINES_FAULT else 500
    for kind in type(error).__mro__:
        status = STATUSES.get(kind)
        if status is not None:
            return status
    return 500


def error_of(status: int, message: str) -> EngineError:
    """The error a client raises for a refusal it received; unknown statuses become Internal."""
    return _CLASSES.get(status, Internal)(message)


def encode_error(message: str) -> bytes:
    """The JSON body of an error, with Docker's trailing newline."""
    return msgspec.json.encode(ErrorBody(message)) + b"\n"
