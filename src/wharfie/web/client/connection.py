"""One connection to a server, and the reply of one exchange on it.

The head is parsed by llhttp, the body is framed as the server frames requests; both are bounded,
and no byte is asked for faster than the caller takes it. Source: RFC 9112.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping

import httptools

from wharfie.web.client.errors import ConnectionLost, MalformedReply, RequestError
from wharfie.web.client.stream import HeadTooLong, Stream
from wharfie.web.errors import HttpError
from wharfie.web.framing import ChunkedFraming

BUFFER = 64 << 10
_MAX_FIELDS = 200
_BODILESS = frozenset({204, 304})
_LOST = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, OSError)


class Connection:
    """A connected stream; one exchange at a time.

    Args:
        stream: connected.
        stall: seconds without a byte after which it counts as lost.
        peer: the other side, for errors.
    """

    def __init__(self, stream: Stream, *, stall: float, peer: str) -> None:
        self._stream = stream
        self._stall = stall
        self._peer = peer
        self._is_stalled = False

    @property
    def is_open(self) -> bool:
        """False once the other side is known to be gone."""
        return self._stream.is_open

    async def send(self, head: bytes, body: AsyncIterator[bytes] | None) -> None:
        """Write a request.

        Raises:
            ConnectionLost: the other side does not take it.
        """
        try:
            async with asyncio.timeout(self._stall):
                await self._stream.write(head)
            if body is not None:
                async for data in body:
                    async with asyncio.timeout(self._stall):
                        await self._stream.write(data)
        except TimeoutError:
            raise ConnectionLost(f"{self._peer} takes no more bytes: i/o timeout") from None
        except _LOST as error:
            raise self._lost(error) from error

    async def receive(self, method: str) -> Reply:
        """Read the head of a reply.

        Raises:
            ConnectionLost: it does not come.
            MalformedReply: it is none.
        """
        while True:
            head = _Head()
            head.parse(await self._read_head())
            if head.status >= 200:
                return Reply(self, head, has_body=method != "HEAD")
            if head.status == 101:
                raise MalformedReply(f"{self._peer} switched protocols unasked")

    async def read(self, size: int) -> bytes:
        """The next bytes, b"" at the end of the connection."""
        try:
            async with asyncio.timeout(self._stall):
                return await self._stream.read(size)
        except TimeoutError:
            raise self._silent() from None
        except _LOST as error:
            raise self._lost(error) from error

    async def fill(self, target: memoryview) -> int:
        """Read into memory: how many bytes, 0 at the end of the connection."""
        if self._is_stalled:
            raise self._silent()
        try:
            async with asyncio.timeout(self._stall):
                return await self._stream.fill(target)
        except TimeoutError:
            if not self._stream.filled:
                raise self._silent() from None
            self._is_stalled = True  # to be said when these were taken
            return self._stream.filled
        except _LOST as error:
            raise self._lost(error) from error

    def close(self) -> None:
        """Close at once, whatever is under way."""
        self._stream.abort()

    async def wait_closed(self) -> None:
        """Wait until nothing of it is left."""
        await self._stream.wait_closed()

    async def _read_head(self) -> bytes:
        try:
            async with asyncio.timeout(self._stall):
                return await self._stream.read_until(b"\r\n\r\n")
        except TimeoutError:
            raise ConnectionLost(f"{self._peer} does not answer: i/o timeout") from None
        except HeadTooLong:
            raise MalformedReply(f"{self._peer} sent an endless reply head") from None
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise MalformedReply(f"{self._peer} sent a malformed HTTP response") from None
            raise ConnectionLost(f"{self._peer} closed the connection: EOF") from None
        except _LOST as error:
            raise self._lost(error) from error

    def _silent(self) -> ConnectionLost:
        return ConnectionLost(f"{self._peer} sends nothing more: i/o timeout")

    def _lost(self, error: Exception) -> ConnectionLost:
        return ConnectionLost(f"{self._peer}: {str(error) or type(error).__name__}")


class Reply:
    """Status and fields of a reply, and its body to be read once.

    Attributes:
        headers: values by lower-case name; repeated ones joined by ", ".
        length: announced bytes of the body, None when it ends with a chunk or the connection.
    """

    def __init__(self, connection: Connection, head: _Head, *, has_body: bool) -> None:
        self.status = head.status
        self.headers: Mapping[str, str] = head.headers
        self._connection = connection
        self._keep = head.keep_alive
        self._chunked = "chunked" in head.headers.get("transfer-encoding", "").lower()
        self.length = None if self._chunked else _length(head.headers)
        self._complete = not has_body or head.status in _BODILESS or self.length == 0

    @property
    def can_reuse(self) -> bool:
        """The whole body was read and the connection may carry another exchange."""
        return self._complete and self._keep and self._connection.is_open

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes, at most BUFFER bytes at a time.

        Raises:
            ConnectionLost: it ends early.
            MalformedReply: broken chunks.
        """
        if self._complete:
            return
        if self._chunked:
            async for data in self._dechunked():
                yield data
        elif self.length is None:
            self._keep = False
            while data := await self._connection.read(BUFFER):
                yield data
        else:
            left = self.length
            while left:
                data = await self._connection.read(min(left, BUFFER))
                if not data:
                    raise ConnectionLost(f"unexpected EOF: {left} bytes of the body are missing")
                left -= len(data)
                if not left:
                    self._complete = True
                yield data
        self._complete = True

    async def pieces(self, memory: bytearray) -> AsyncIterator[memoryview]:
        """The body as it comes, in `memory`: each piece is good until the next is asked for.

        Raises:
            ConnectionLost: it ends early; what came before was given.
            MalformedReply: broken chunks.
        """
        view = memoryview(memory)
        if self.length is None:
            async for piece in self._collected(view):
                yield piece
            return
        left = 0 if self._complete else self.length
        while left:
            got = await self._connection.fill(view[:left])
            if not got:
                raise ConnectionLost(f"unexpected EOF: {left} bytes of the body are missing")
            left -= got
            self._complete = not left
            yield view[:got]

    async def read(self, limit: int) -> bytes:
        """The whole body.

        Raises:
            MalformedReply: it has more than `limit` bytes.
        """
        if self.length is not None and self.length > limit:
            raise MalformedReply(f"the reply has {self.length} bytes, at most {limit} are accepted")
        parts: list[bytes] = []
        size = 0
        async for data in self.chunks():
            parts.append(data)
            size += len(data)
            if size > limit:
                raise MalformedReply(f"the reply has more than {limit} bytes")
        return b"".join(parts)

    async def _collected(self, view: memoryview) -> AsyncIterator[memoryview]:
        used = 0
        try:
            async for data in self.chunks():
                taken = 0
                while taken < len(data):
                    part = data[taken : taken + len(view) - used]
                    view[used : used + len(part)] = part
                    used += len(part)
                    taken += len(part)
                    if used == len(view):
                        yield view
                        used = 0
        except RequestError:
            if used:
                yield view[:used]
            raise
        if used:
            yield view[:used]

    async def _dechunked(self) -> AsyncIterator[bytes]:
        framing = ChunkedFraming()
        while not framing.is_complete:
            data = await self._connection.read(BUFFER)
            if not data:
                raise ConnectionLost("unexpected EOF: the body's last chunk is missing")
            try:
                pieces, rest = framing.feed(data)
            except HttpError as error:
                raise MalformedReply(str(error)) from None
            if rest:
                self._keep = False
            for piece in pieces:
                yield piece


class _Head:
    """The head of a reply; the methods named `on_` are llhttp's callbacks."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.keep_alive = False
        self._fields = 0

    def parse(self, data: bytes) -> None:
        """Parse exactly one head."""
        parser = httptools.HttpResponseParser(self)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass
        except httptools.HttpParserError as error:
            raise MalformedReply(f"malformed HTTP response: {error}") from None
        self.status = parser.get_status_code()
        if self._fields > _MAX_FIELDS:
            raise MalformedReply("the reply has too many header fields")
        options = self.headers.get("connection", "").lower()
        self.keep_alive = parser.get_http_version() == "1.1" and "close" not in options

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a field."""
        self._fields += 1
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise MalformedReply(f"bad Content-Length {text[:40]!r}")
    return int(text)
