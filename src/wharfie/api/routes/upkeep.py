"""Upkeep of the store: our own extension of the API, no operation of Docker's."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct

from wharfie.api.operations import JSON, Incoming, Outcome, Routes
from wharfie.api.services import Context
from wharfie.engine.images.upkeep import CheckMessage
from wharfie.web import Stream

routes = Routes()


class Check(Struct, frozen=True):
    """Whether to mend what is found."""

    repair: bool


def _check(incoming: Incoming) -> Check:
    return Check(incoming.query.flag("repair"))


@routes.add("POST", "/system/check", _check)
def check(context: Context, command: Check) -> Outcome:
    """Verify images and layers; one JSON object a finding, a summary last."""
    return Stream(_lines(context.services.images.check(repair=command.repair)), 200, JSON)


async def _lines(messages: AsyncIterator[CheckMessage]) -> AsyncIterator[bytes]:
    async for message in messages:
        yield msgspec.json.encode(message) + b"\r\n"
