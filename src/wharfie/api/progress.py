"""Messages of a long verb as a stream of JSON lines."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from wharfie.api.operations import JSON, Outcome
from wharfie.engine.images.progress import Progress
from wharfie.model.errors import EngineError
from wharfie.web import Stream


async def progress_stream(messages: AsyncIterator[Progress]) -> Outcome:
    """Answer with the status of an error that comes first, and in the stream after that.

    Source: behaviours 130: the head is not written before the first message.
    """
    first = await anext(messages, None)
    return Stream(_spell(first, messages), 200, JSON)


def report_stream(messages: AsyncIterator[Progress]) -> Outcome:
    """Answer 200 at once; every error is in the stream, as Docker's load has it."""
    return Stream(_spell(None, messages), 200, JSON)


async def _spell(first: Progress | None, others: AsyncIterator[Progress]) -> AsyncIterator[bytes]:
    try:
        if first is not None:
            yield _line(first)
        async for message in others:
            yield _line(message)
    except EngineError as error:
        yield _line({"errorDetail": {"message": error.message}, "error": error.message})
    finally:
        # The client is gone: what makes the messages is to end now, not when it is collected.
        close = getattr(others, "aclose", None)
        if close is not None:
            await close()


def _line(message: Progress) -> bytes:
    return msgspec.json.encode(message) + b"\r\n"
