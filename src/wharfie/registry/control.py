"""The control socket: what the administrator tells a running registry, by `wharfie-registry gc` …

    POST /gc?grace=SECONDS&dry_run=1    a report
    POST /scrub?rate=BYTES              a report
    POST /read-only?on=1                204; until the next start
    GET  /status                        what was done last, and what is kept

HTTP on `<root>/wharfie/control.sock`, whose permissions are all the access control there is.
"""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from wharfie.registry.server.services import Services
from wharfie.registry.upkeep import Report, Upkeep
from wharfie.web.errors import HttpError
from wharfie.web.reply import Reply, Response
from wharfie.web.request import Request

SOCKET = "wharfie/control.sock"


class Status(Struct, omit_defaults=True):
    """What a registry is doing.

    Attributes:
        collected_at: seconds since the epoch, 0 for never since the start.
        scrubbed_at: likewise.
    """

    repositories: int = 0
    is_read_only: bool = False
    collected_at: float = 0.0
    last_collection: Report | None = None
    scrubbed_at: float = 0.0
    last_scrub: Report | None = None


class Control:
    """Answers on the control socket."""

    def __init__(self, services: Services, upkeep: Upkeep) -> None:
        self._services = services
        self._upkeep = upkeep

    async def __call__(self, request: Request) -> Reply:
        """Do what is asked."""
        words = parse_qs(request.query)
        match request.method, request.path:
            case "POST", "/gc":
                grace = _number(words, "grace")
                dry_run = _number(words, "dry_run") == 1
                return _json(await self._upkeep.collect(grace=grace, dry_run=dry_run))
            case "POST", "/scrub":
                rate = _number(words, "rate")
                return _json(await self._upkeep.scrub(rate=None if rate is None else int(rate)))
            case "POST", "/read-only":
                self._services.is_read_only = _number(words, "on") == 1
                return Response(204)
            case "GET", "/status":
                return _json(await self._status())
            case _:
                raise HttpError(404, "no such request")

    async def _status(self) -> Status:
        upkeep = self._upkeep
        return Status(
            repositories=len(await self._services.content.catalogue.all()),
            is_read_only=self._services.is_read_only,
            collected_at=upkeep.collected_at,
            last_collection=upkeep.last_collection,
            scrubbed_at=upkeep.scrubbed_at,
            last_scrub=upkeep.last_scrub,
        )


def _number(words: dict[str, list[str]], name: str) -> float | None:
    if name not in words:
        return None
    try:
        return float(words[name][0])
    except ValueError:
        raise HttpError(400, f"{name} must be a number") from None


def _json(value: object) -> Response:
    return Response(200, msgspec.json.encode(value), "application/json")
