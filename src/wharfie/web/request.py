"""A request as handlers see it, and its body as a stream with back-pressure."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

from wharfie.model.caller import Caller
from wharfie.web.errors import ClientGone, HttpError
from wharfie.web.splicing import write

HIGH_WATER = 256 * 1024
"""Body bytes that may wait for the handler before the socket is no longer read."""


Move = Callable[[int, float | None], Awaitable[bool]]
"""Puts what comes next of a body into a pipe, past us; tells whether it did anything."""


class Body:
    """The body of one request, read at most once.

    The connection pushes, the handler pulls. Above `HIGH_WATER` waiting bytes the connection
    stops reading its socket; so a slow handler slows its own client and nobody else.
    """

    __slots__ = (
        "_chunks",
        "_failure",
        "_is_complete",
        "_move",
        "_size",
        "_waiter",
        "_wanted",
        "length",
    )

    def __init__(
        self, *, length: int | None, wanted: Callable[[], None], move: Move | None = None
    ) -> None:
        self.length = length
        """Announced length in bytes, None for a chunked body."""
        self._move = move
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._is_complete = length == 0
        self._failure: HttpError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = wanted

    @property
    def is_complete(self) -> bool:
        """True once every byte has arrived, read or not."""
        return self._is_complete

    @property
    def is_full(self) -> bool:
        """True while more bytes wait than may."""
        return self._size > HIGH_WATER

    def push(self, data: bytes) -> None:
        """Take bytes from the connection."""
        self._chunks.append(data)
        self._size += len(data)
        self._wake()

    def finish(self) -> None:
        """The last byte was pushed."""
        self._is_complete = True
        self._wake()

    def fail(self, failure: HttpError) -> None:
        """The body will never be complete; readers are told once they have read what came."""
        if not self._is_complete and self._failure is None:
            self._failure = failure
            self._wake()

    async def read(self, *, limit: int, timeout: float | None = None) -> bytes:
        """Read the whole body.

        Args:
            limit: bytes it may have.
            timeout: seconds it may take, None for ever.

        Raises:
            HttpError: 413 above `limit`, 408 after `timeout`.
            ClientGone: the client left.
        """
        too_large = HttpError(413, f"request body too large: more than {limit} bytes")
        if self.length is not None and self.length > limit:
            raise too_large
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(timeout):
                async for chunk in self:
                    parts.append(chunk)
                    size += len(chunk)
                    if size > limit:
                        raise too_large
        except TimeoutError:
            raise HttpError(408, "timed out reading the request body") from None
        return b"".join(parts)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            ClientGone: the client left before the end.
        """
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._size -= len(chunk)
                yield chunk
            if self._is_complete:
                return
            if self._failure is not None:
                raise self._failure
            await self._more()

    async def pour(self, pipe: int, timeout: float | None) -> None:
        """Put the body into a pipe; large parts of it never pass through this process.

        Args:
            pipe: non-blocking.
            timeout: seconds nobody may read the pipe.

        Raises:
            ClientGone: the client left before the end.
            BrokenPipeError, TimeoutError: nobody reads the pipe.
        """
        while True:
            while self._chunks:
                chunk = self._chunks.popleft()
                self._size -= len(chunk)
                await write(pipe, chunk, timeout)
            if self._is_complete:
                return
            if self._failure is not None:
                raise self._failure
            if self._move is None or not await self._move(pipe, timeout):
                await self._more()

    async def _more(self) -> None:
        """Wait until the connection pushes, fails or finishes."""
        self._wanted()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Request:
    """One request.

    Attributes:
        method: upper case.
        path: as sent, still percent-encoded, always with a leading slash (or "*").
        query: what stands behind the question mark, still encoded.
        headers: values by lower-case name; repeated fields joined by ", ".
        upgrade: the asked-for protocol, "" where no upgrade was asked for.
    """

    __slots__ = ("body", "caller", "headers", "is_http_10", "method", "path", "query", "upgrade")

    def __init__(
        self,
        *,
        method: str,
        path: str,
        query: str = "",
        headers: dict[str, str],
        body: Body,
        caller: Caller,
        upgrade: str = "",
        is_http_10: bool = False,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.caller = caller
        self.upgrade = upgrade
        self.is_http_10 = is_http_10


__all__ = ["HIGH_WATER", "Body", "ClientGone", "Request"]
