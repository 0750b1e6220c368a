"""A stream and what it needs to go on: closed together, at its end or when it is given up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Protocol, Self, runtime_checkable

from wharfie.model.piping import Piped


@runtime_checkable
class AsyncClosable(Protocol):
    """A stream that can be given up early."""

    async def aclose(self) -> None:
        """Stop; what was not read is lost."""


def hold_open(stream: AsyncIterator[bytes], opened: AsyncExitStack) -> AsyncIterator[bytes]:
    """The same stream; at its end, and when it is closed, `opened` is closed, too."""
    return _HeldPipe(stream, opened) if isinstance(stream, Piped) else _Held(stream, opened)


class _Held:
    def __init__(self, stream: AsyncIterator[bytes], opened: AsyncExitStack) -> None:
        self._opened = opened
        self._opened.push_async_callback(_close, stream)
        self._chunks = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._chunks)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Give the rest up."""
        await self._opened.aclose()


class _HeldPipe(_Held):
    """What is a `Piped`, remains one."""

    def __init__(self, stream: Piped, opened: AsyncExitStack) -> None:
        super().__init__(aiter(stream), opened)
        self.pipe = -1
        self._stream = stream

    async def waiting(self) -> int:
        """Wait for bytes; how many there are, 0 at the end."""
        try:
            size = await self._stream.waiting()
        except BaseException:
            await self.aclose()
            raise
        if not size:
            await self.aclose()
        self.pipe = self._stream.pipe
        return size


async def _close(stream: object) -> None:
    if isinstance(stream, AsyncClosable):
        await stream.aclose()  # a client that leaves ends the worker at once
