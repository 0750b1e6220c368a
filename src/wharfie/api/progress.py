"""Messages of a long verb as a stream of JSON lines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Self

import msgspec

from wharfie.api.operations import JSON, Outcome
from wharfie.engine.images.progress import Progress
from wharfie.model.errors import EngineError
from wharfie.web import Stream


async def progress_stream(messages: AsyncIterator[Progress]) -> Outcome:
    """Answer with the status of an error that comes first, and in the stream after that.

    Source: behaviours 130: the head is not written before the first message.
    """
    return await begun(_spell(messages))


def report_stream(messages: AsyncIterator[Progress]) -> Outcome:
    """Answer 200 at once; every error is in the stream, as Docker's load has it."""
    return Stream(_spell(messages, began=True), 200, JSON)


async def begun(chunks: AsyncIterator[bytes]) -> Outcome:
    """Answer with a stream once its first chunk is there."""
    return Stream(_Begun(await anext(chunks, b""), chunks), 200, JSON)


class _Begun:
    """A stream whose first chunk was taken; closed before it is read it ends the others, too.

    A generator that was never begun would not: what it is to close would go on.
    """

    def __init__(self, first: bytes, others: AsyncIterator[bytes]) -> None:
        self._first = first
        self._others = others

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        first, self._first = self._first, b""
        return first or await anext(self._others)

    async def aclose(self) -> None:
        """End it."""
        close = getattr(self._others, "aclose", None)
        if close is not None:
            await close()


async def _spell(messages: AsyncIterator[Progress], *, began: bool = False) -> AsyncIterator[bytes]:
    try:
        async for message in messages:
            began = True
            yield _line(message)
    except EngineError as error:
        if not began:
            raise
        yield _line({"errorDetail": {"message": error.message}, "error": error.message})
    finally:
        # The client is gone: what makes the messages is to end now, not when it is collected.
        close = getattr(messages, "aclose", None)
        if close is not None:
            await close()


def _line(message: Progress) -> bytes:
    return msgspec.json.encode(message) + b"\r\n"
