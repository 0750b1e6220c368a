"""Log lines about requests, as dockerd writes them. Source: daemon.md §7."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec

from wharfie.web import Request

_log = logging.getLogger("wharfie.api")
_MAX_FORM = 4096
_SECRET = frozenset({"data", "jointoken", "password", "secret", "signingcakey", "unlockkey"})
_MASK = "*****"


def log_request(request: Request, names: Mapping[str, str], body: bytes) -> None:
    """Log a request at debug level, its JSON body included unless large; secrets are masked."""
    if not _log.isEnabledFor(logging.DEBUG):
        return
    url = f"{request.path}?{request.query}" if request.query else request.path
    fields: dict[str, object] = {
        "method": request.method,
        "module": "api",
        "request-url": url,
        "vars": dict(names),
    }
    if body and len(body) < _MAX_FORM:
        try:
            fields["form-data"] = mask(msgspec.json.decode(body))
        except (msgspec.DecodeError, RecursionError):
            fields["form-data"] = "malformed"
    _log.debug("handling %s request", request.method, extra={"fields": fields})


def log_failure(request: Request, status: int, message: str) -> None:
    """Log an answer from 500 on at error level, others at debug."""
    level = logging.ERROR if status >= 500 and status != 501 else logging.DEBUG
    _log.log(level, "Handler for %s %s returned error: %s", request.method, request.path, message)


def mask(value: object) -> object:
    """Replace what must not be logged, at any depth."""
    if isinstance(value, dict):
        return {k: _MASK if k.lower() in _SECRET else mask(v) for k, v in value.items()}
    if isinstance(value, list):
        return [mask(one) for one in value]
    return value
