"""Stats of containers: one sample, two, or a stream of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

import msgspec
from msgspec import Struct

from wharfie.api.operations import JSON, Incoming, Json, Outcome, Routes
from wharfie.api.services import Context
from wharfie.engine.containers import Sample
from wharfie.model.errors import InvalidArgument
from wharfie.web import Stream
from wharfie.wire.stats import StatsReply

routes = Routes()


class Stats(Struct, frozen=True, kw_only=True):
    """Whose stats, and how many samples.

    Attributes:
        stream: a sample a second.
        one_shot: one sample at once instead of two.
    """

    ref: str
    stream: bool
    one_shot: bool


def _stats(incoming: Incoming) -> Stats:
    query = incoming.query
    stream = query.flag("stream", default=True)
    one_shot = query.flag("one-shot")
    if stream and one_shot:
        raise InvalidArgument("cannot have stream=true and one-shot=true")
    return Stats(ref=incoming.ref, stream=stream, one_shot=one_shot)


@routes.add("GET", "/containers/{ref:.*}/stats", _stats)
def stats(context: Context, command: Stats) -> Outcome | Awaitable[Outcome]:
    """ContainerStats."""
    usage = context.services.usage
    if command.stream:
        return Stream(_spell(usage.follow(command.ref)), 200, JSON)
    return _answer(usage.once(command.ref) if command.one_shot else usage.pair(command.ref))


async def _answer(sample: Awaitable[Sample]) -> Outcome:
    return Json(_reply(await sample))


async def _spell(samples: AsyncIterator[Sample]) -> AsyncIterator[bytes]:
    async for sample in samples:
        yield msgspec.json.encode(_reply(sample)) + b"\n"


def _reply(sample: Sample) -> StatsReply:
    record = sample.container
    return StatsReply.of(record.name, record.id, sample.usage, sample.before)
