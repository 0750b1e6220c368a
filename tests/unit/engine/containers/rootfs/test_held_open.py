"""What a stream needs is closed with it, however it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from wharfie.engine.containers.rootfs.held_open import hold_open
from wharfie.model.piping import Piped


class Pipe:
    """Two portions in a pipe, then the end or an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.pipe = 7
        self.closed = False
        self._sizes = [3, 2]
        self._error = error

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if size := await self.waiting():
            return b"x" * size
        raise StopAsyncIteration

    async def waiting(self) -> int:
        if self._sizes:
            return self._sizes.pop()
        if self._error is not None:
            raise self._error
        return 0

    async def aclose(self) -> None:
        self.closed = True


class Opened:
    """What has to be closed."""

    def __init__(self) -> None:
        self.stack = AsyncExitStack()
        self.count = 0
        self.stack.callback(self._close)

    def _close(self) -> None:
        self.count += 1


async def test_a_pipe_remains_one_and_is_closed_at_its_end() -> None:
    pipe, opened = Pipe(), Opened()
    held = hold_open(pipe, opened.stack)
    assert isinstance(held, Piped)
    assert (await held.waiting(), held.pipe, opened.count) == (2, 7, 0)
    assert [await held.waiting(), await held.waiting()] == [3, 0]
    assert (opened.count, pipe.closed) == (1, True)


async def test_read_as_a_stream_it_is_closed_at_its_end() -> None:
    pipe, opened = Pipe(), Opened()
    assert [chunk async for chunk in hold_open(pipe, opened.stack)] == [b"xx", b"xxx"]
    assert (opened.count, pipe.closed) == (1, True)


async def test_an_error_closes_it() -> None:
    pipe, opened = Pipe(OSError("gone")), Opened()
    held = hold_open(pipe, opened.stack)
    with pytest.raises(OSError, match="gone"):
        _ = [chunk async for chunk in held]
    assert (opened.count, pipe.closed) == (1, True)


async def test_what_is_given_up_is_closed() -> None:
    pipe, opened = Pipe(), Opened()
    held = hold_open(pipe, opened.stack)
    assert isinstance(held, Piped)
    assert await held.waiting() == 2
    await held.aclose()
    assert (opened.count, pipe.closed) == (1, True)


async def test_any_other_stream_is_held_open_as_well() -> None:
    opened = Opened()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    held = hold_open(chunks(), opened.stack)
    assert not isinstance(held, Piped)
    assert [chunk async for chunk in held] == [b"a", b"b"]
    assert opened.count == 1
