"""The archive a worker writes: a stream of bytes, or a pipe for whoever can do without them."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from typing import Self

from msgspec import Struct

from wharfie.model.archive import PathStat

_READ = 1 << 18


class Waiting(Struct, frozen=True):
    """Bytes that wait in a pipe; whoever is told takes some of them before he asks again."""

    pipe: int
    size: int


class ByteStream:
    """The archive a worker writes (a `Piped`); closing it early kills the worker."""

    def __init__(self, stream: AsyncGenerator[Waiting | PathStat, None]) -> None:
        self.pipe = -1
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        size = await self.waiting()
        if not size:
            raise StopAsyncIteration
        return os.read(self.pipe, min(size, _READ))

    async def waiting(self) -> int:
        """Wait for bytes; how many there are, 0 at the end."""
        found = await anext(self._stream, None)
        if found is None:
            return 0
        assert isinstance(found, Waiting)
        self.pipe = found.pipe
        return found.size

    async def aclose(self) -> None:
        """Stop; what was not read is lost."""
        await self._stream.aclose()
