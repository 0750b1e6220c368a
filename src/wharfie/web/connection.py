"""One client connection: heads parsed by llhttp, bodies framed here, answers written in order.

    idle ──head──▶ busy ──answer written──▶ idle, or closed
                    │ ├──Stream──▶ chunks until the end, the client's EOF, or the server's stop
                    │ └──Hijack──▶ the socket is handed over, this object ends
                    └──answer before the body ended──▶ lingering: read and drop, then close

A request is only parsed once the answer before it is written; until then pipelined bytes wait,
bounded, in the buffer. What stands behind a hijacking request is therefore never parsed.
A client's EOF cancels a stream, never a plain verb. Source: RFC 9112; Go net/http's habits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Protocol, cast

from wharfie.model.caller import Caller
from wharfie.model.piping import Piped
from wharfie.web.errors import ClientGone, HttpError
from wharfie.web.framing import ChunkedFraming, Framing, LengthFraming
from wharfie.web.handover import hand_over
from wharfie.web.head import HeadParser
from wharfie.web.limits import Limits
from wharfie.web.reply import (
    FilePart,
    Hijack,
    Reply,
    Response,
    Stream,
    hijack_head,
    refusal,
    response_head,
    stream_head,
)
from wharfie.web.request import Body, Request
from wharfie.web.sending import exactly, send_part, write_chunk
from wharfie.web.splicing import can_splice, duplicate, splice_in, splice_out

_log = logging.getLogger(__name__)
_TLS_HANDSHAKE = 0x16
_HEAD_END = b"\n\r\n"
_MAX_BEHIND = 64 * 1024
_WORTH_MOVING = 64 * 1024
_TURN = 64
"""Pipelined requests answered before other connections get their turn."""


class Host(Protocol):
    """What a connection needs of its server."""

    limits: Limits
    is_closing: bool
    now: float

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """Answer a request, or begin to."""

    def date(self) -> bytes:
        """The Date field of now."""

    def start(
        self, coroutine: Coroutine[object, object, None], on_error: Callable[[], None]
    ) -> None:
        """Run a coroutine as a task of the server; `on_error` is called if it fails."""

    def lasts(self, task: asyncio.Task[object] | None) -> None:
        """A task of `start` goes on as long as its client: it ends with the server, at once."""

    def opened(self, connection: Connection) -> None:
        """A connection lives."""

    def closed(self, connection: Connection) -> None:
        """A connection ended."""


class Connection(asyncio.Protocol):
    """The HTTP side of one connection, plain or over TLS."""

    def __init__(self, host: Host, caller: Caller) -> None:
        self._host = host
        self._caller = caller
        self._transport: asyncio.Transport
        self._buffer: bytes | bytearray = b""
        self._start = 0
        self._scanned = 0
        self._heads = HeadParser()
        self._request: Request | None = None
        self._framing: Framing | None = None
        self._keep_alive = True
        self._expects = False
        self._has_eof = False
        self._is_lost = False
        self._is_lingering = False
        self._is_reading = True
        self._is_advancing = False
        self._streaming: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._is_write_paused = False
        self.deadline: float | None = host.now + host.limits.head_timeout
        """When the server closes the connection, None while a request is answered."""

    # Called by the server

    @property
    def transport(self) -> str:
        """How the caller is connected, as in `Caller`."""
        return self._caller.transport

    @property
    def is_busy(self) -> bool:
        """True while a request is answered."""
        return self._request is not None

    def stop(self) -> None:
        """The server stops: end when the present answer is written, cut a stream at once."""
        self._keep_alive = False
        if self._streaming is not None:
            self._streaming.cancel()
        elif self._request is None:
            self._transport.close()

    def expire(self) -> None:
        """The deadline has passed."""
        self.deadline = None
        if self._is_lingering or self._is_write_paused:
            self._transport.abort()
        elif self._buffer:
            self._refuse(408, "the request's head took too long")
        else:
            self._close()

    def abort(self) -> None:
        """Close without ceremony."""
        self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with a connected transport."""
        # uvloop's transports do not derive from asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)
        self._host.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 # the cause is moot
        """The connection is gone in both directions."""
        self._is_lost = True
        self._host.closed(self)
        if self._request is not None:
            self._request.body.fail(ClientGone())
        self._release_writer()
        if self._streaming is not None:
            self._streaming.cancel()

    def eof_received(self) -> bool:
        """The client sends no more; it may still read."""
        self._has_eof = True
        if self._request is None:
            return False
        self._request.body.fail(ClientGone())
        if self._streaming is not None:
            self._streaming.cancel()
        self._keep_alive = False
        return True

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self._is_write_paused = True

    def resume_writing(self) -> None:
        """The transport's buffer has room again."""
        self._is_write_paused = False
        self._release_writer()
        if self._request is None and self._buffer:
            self._advance()

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client."""
        if self._framing is not None:
            self._feed_body(data)
        elif self._is_lingering:
            return
        elif not self._buffer:
            self._buffer = data
            if self._request is None:
                self._advance()
            else:
                self._bound_buffer()
        else:
            if isinstance(self._buffer, bytes):
                self._buffer = bytearray(self._buffer)
            self._buffer += data
            if self._request is None:
                self._advance()
            else:
                self._bound_buffer()

    # Heads

    def _advance(self) -> None:
        """Answer what is in the buffer, as far as it is complete and may be answered now."""
        if self._is_advancing:
            return
        self._is_advancing = True
        try:
            for _ in range(_TURN):
                if self._request is not None or self._is_write_paused or self._is_lingering:
                    return
                if not self._cut_head():
                    return
        finally:
            self._is_advancing = False
            self._bound_requests()
        asyncio.get_running_loop().call_soon(self._advance)

    def _bound_requests(self) -> None:
        """Read no further while whole requests wait, for another turn or a reader of answers."""
        if self._request is not None or self._is_lingering:
            return
        if len(self._buffer) - self._start > self._host.limits.head + _MAX_BEHIND:
            self._pause_reading()
        else:
            self._resume_reading()

    def _cut_head(self) -> bool:
        """Take the next head out of the buffer; False when there is none yet."""
        buffer, start = self._buffer, self._start
        while buffer[start : start + 2] == b"\r\n":
            start += 2
        end = buffer.find(_HEAD_END, max(start, self._scanned))
        size = (len(buffer) if end < 0 else end) - start
        if size > self._host.limits.head:
            self._refuse(431, "request head too large")
            return False
        if end < 0:
            self._await_head(start)
            return False
        head = bytes(buffer[start : end + 3])
        end += 3
        if end == len(buffer):
            self._buffer, self._start, self._scanned = b"", 0, 0
        else:
            self._start = self._scanned = end
        self._take_head(head)
        return True

    def _await_head(self, start: int) -> None:
        limits = self._host.limits
        if start >= len(self._buffer):
            self._buffer, self._start, self._scanned = b"", 0, 0
            return
        if self._buffer[start] == _TLS_HANDSHAKE:
            # Clients try https first and wait for an answer before they try http.
            self._refuse(400, "this address speaks HTTP, not HTTPS")
            return
        if self._buffer.find(b"\n\n", start) >= 0:
            self._refuse(400, "bare line feeds in the request's head")
            return
        if not self._scanned or self._start:
            self.deadline = self._host.now + limits.head_timeout
        if start:
            self._buffer = bytearray(self._buffer[start:])
        self._start = 0
        self._scanned = max(1, len(self._buffer) - 2)

    def _take_head(self, data: bytes) -> None:
        try:
            head = self._heads.parse(data)
        except HttpError as error:
            self._refuse(error.status, str(error))
            return
        request = Request(
            method=head.method,
            path=head.path,
            query=head.query,
            headers=head.headers,
            body=Body(length=head.length, wanted=self._want_body, move=self._move_body),
            caller=self._caller,
            upgrade=head.upgrade,
            is_http_10=head.is_http_10,
        )
        self._request = request
        self.deadline = None
        self._expects = head.expects
        self._keep_alive = head.keep_alive and not self._host.is_closing
        if head.length != 0:
            self._framing = ChunkedFraming() if head.length is None else LengthFraming(head.length)
            if self._buffer:
                rest = bytes(self._buffer[self._start :])
                self._buffer, self._start, self._scanned = b"", 0, 0
                self._feed_body(rest)
        self._dispatch(request)

    def _refuse(self, status: int, message: str) -> None:
        """Answer a request that is not worth a handler, and close."""
        _log.debug("refused a request: %s", message)
        self._request = None
        self._keep_alive = False
        self._buffer, self._start = b"", 0
        reply = refusal(status, message)
        self._write(response_head(reply, date=self._host.date(), close=True) + reply.body)
        self._linger()

    # Bodies

    def _feed_body(self, data: bytes) -> None:
        assert self._framing is not None
        assert self._request is not None
        body = self._request.body
        try:
            pieces, rest = self._framing.feed(data)
        except HttpError as error:
            self._framing = None
            self._keep_alive = False
            self._is_lingering = True
            body.fail(error)
            return
        for piece in pieces:
            body.push(piece)
        if self._framing.is_complete:
            self._framing = None
            self._expects = False
            body.finish()
            if rest:
                self._buffer = rest
                self._bound_buffer()
        elif body.is_full:
            self._pause_reading()

    def _want_body(self) -> None:
        """A handler waits for more of the body."""
        if self._expects and self._framing is not None:
            self._expects = False
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._resume_reading()

    async def _move_body(self, pipe: int, timeout: float | None) -> bool:
        """Move what comes next of a body from the socket into a pipe, where that is much."""
        framing, request = self._framing, self._request
        if framing is None or request is None or self._is_lost or not can_splice(self._transport):
            return False
        if framing.ahead < _WORTH_MOVING:
            return False
        self._want_body()
        self._pause_reading()
        try:
            with duplicate(self._transport) as fd:
                if not await splice_in(fd, framing, pipe, timeout):
                    self.eof_received()
        except ConnectionResetError:
            request.body.fail(ClientGone())
        if framing.is_complete and self._framing is framing:
            self._framing = None
            request.body.finish()
        return True

    def _bound_buffer(self) -> None:
        if len(self._buffer) - self._start > _MAX_BEHIND:
            self._pause_reading()

    def _pause_reading(self) -> None:
        if self._is_reading and not self._is_lost:
            self._is_reading = False
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self._is_reading and not self._is_lost:
            self._is_reading = True
            self._transport.resume_reading()

    # Answers

    def _dispatch(self, request: Request) -> None:
        try:
            reply = self._host.handle(request)
        except HttpError as error:
            reply = refusal(error.status, str(error))
        except Exception:  # noqa: BLE001 # the outermost edge: a bug costs one request
            _log.exception("handler for %s %s failed", request.method, request.path)
            reply = refusal(500, "internal error")
        if isinstance(reply, Response):
            self._respond(request, reply)
        elif isinstance(reply, Stream | FilePart | Hijack):
            self._host.start(self._send(request, reply), self._fail)
        else:
            self._host.start(self._await_and_send(request, reply), self._fail)

    def _fail(self) -> None:
        """A request's task failed with an error nobody expected; the server reports it."""
        if self._request is not None and not self._is_lost:
            self._respond(self._request, refusal(500, "internal error"))

    async def _await_and_send(self, request: Request, pending: Awaitable[Reply]) -> None:
        try:
            reply = await pending
        except HttpError as error:
            reply = refusal(error.status, str(error))
        await self._send(request, reply)

    async def _send(self, request: Request, reply: Reply) -> None:
        match reply:
            case Response():
                self._respond(request, reply)
            case Stream():
                await self._stream(request, reply)
            case FilePart():
                await self._send_file(request, reply)
            case Hijack():
                await self._hijack(request, reply)

    def _respond(self, request: Request, reply: Response) -> None:
        close = self._must_close(request)
        head = response_head(reply, date=self._host.date(), close=close)
        if reply.body and request.method != "HEAD" and reply.status not in (204, 304):
            if len(reply.body) > 65536:
                self._write(head)
                self._write(reply.body)
            else:
                self._write(head + reply.body)
        else:
            self._write(head)
        self._finish()

    async def _send_file(self, request: Request, reply: FilePart) -> None:
        is_whole = False
        try:
            head = response_head(reply, date=self._host.date(), close=self._must_close(request))
            if request.method == "HEAD":
                self._write(head)
            elif not self._is_lost:
                patience = self._host.limits.head_timeout
                await send_part(self._transport, head, reply, drain=self._drain, patience=patience)
            is_whole = True
        except ConnectionError:
            _log.debug("client of %s %s left its answer", request.method, request.path)
        finally:
            reply.close()
            if not is_whole:
                # The head may be out: only a torn connection can still tell the client.
                self._tear()
        if is_whole:
            self._finish()

    def _must_close(self, request: Request) -> bool:
        if self._framing is not None or request.upgrade:
            # An upgrade is declined: what stands behind may be meant for the other protocol.
            self._keep_alive = False
        return not self._keep_alive

    async def _stream(self, request: Request, reply: Stream) -> None:
        self._streaming = asyncio.current_task()
        chunked = not request.is_http_10 and reply.length is None
        if not chunked and reply.length is None:
            self._keep_alive = False
        is_whole = False
        try:
            if not self._has_eof and not self._is_lost:
                head = stream_head(
                    reply, date=self._host.date(), chunked=chunked, close=not self._keep_alive
                )
                self._write(head)
                if request.method != "HEAD":
                    await self._write_chunks(reply, chunked=chunked)
                is_whole = True
        except ConnectionError:
            _log.debug("client of %s %s left its stream", request.method, request.path)
        finally:
            self._streaming = None
            close = getattr(reply.chunks, "aclose", None)
            if not is_whole:
                # The head is out: only a torn connection can still tell the client.
                self._tear()
            if close is not None:
                await close()
        if is_whole:
            self._finish()

    async def _write_chunks(self, reply: Stream, *, chunked: bool) -> None:
        if isinstance(reply.chunks, Piped) and reply.length is None and can_splice(self._transport):
            await self._flush()
            with duplicate(self._transport) as fd:
                await splice_out(fd, reply.chunks, chunked=chunked)
            return
        chunks = reply.chunks if reply.length is None else exactly(reply.chunks, reply.length)
        async for chunk in chunks:
            if not chunk:
                continue
            if not self._is_lost:
                write_chunk(self._transport, chunk, chunked=chunked)
            if self._is_write_paused:
                await self._drain()
            elif self._is_lost:
                raise ConnectionResetError("client gone")
        if chunked:
            self._write(b"0\r\n\r\n")

    async def _hijack(self, request: Request, reply: Hijack) -> None:
        if not request.body.is_complete:
            async for _ in request.body:
                pass
        if self._is_lost:
            _log.debug("client of %s %s left before its take-over", request.method, request.path)
            return
        self._pause_reading()
        self._host.closed(self)
        head = hijack_head(reply, upgrade=bool(request.upgrade))
        behind = bytes(self._buffer[self._start :])
        self._buffer = b""
        await self._flush()
        try:
            connection = await hand_over(self._transport, head, had_eof=self._has_eof)
        except OSError:
            self._transport.abort()
            raise
        self._is_lost = True
        with connection:
            if reply.is_lasting:
                self._host.lasts(asyncio.current_task())
            await reply.take(connection.fileno(), behind)

    def _finish(self) -> None:
        """The answer is written."""
        self._request = None
        if self._framing is not None:
            self._linger()
        elif not self._keep_alive or self._has_eof or self._host.is_closing:
            self._close()
        else:
            limits = self._host.limits
            patience = limits.head_timeout if self._is_write_paused else limits.idle_timeout
            self.deadline = self._host.now + patience
            self._resume_reading()
            if self._buffer:
                self._advance()

    def _linger(self) -> None:
        """Close, but let the client read the answer first.

        Closing a TCP socket with unread input resets it, and the reset can overtake the answer.
        """
        self._is_lingering = True
        self._framing = None
        if self._is_lost:
            return
        if self._has_eof:
            self._close()
            return
        self.deadline = self._host.now + self._host.limits.linger
        self._resume_reading()
        self._transport.write_eof()

    def _tear(self) -> None:
        self._keep_alive = False
        self._framing = None
        self._request = None
        self._is_lingering = True
        if self._is_write_paused:
            # A client that does not read would keep a closing transport alive.
            self._transport.abort()
        else:
            self._close()

    def _close(self) -> None:
        # What stands behind the last request is nobody's.
        self._is_lingering = True
        self._buffer, self._start = b"", 0
        # A client that does not read its answer is not waited for much longer.
        self.deadline = self._host.now + self._host.limits.head_timeout
        if not self._is_lost:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if not self._is_lost:
            self._transport.write(data)

    async def _flush(self) -> None:
        """Wait until the transport holds nothing that is still to be written."""
        if self._transport.get_write_buffer_size():
            self._transport.set_write_buffer_limits(high=0)
            await self._drain()
            self._transport.set_write_buffer_limits()

    async def _drain(self) -> None:
        """Wait until the transport wants more."""
        if self._is_lost:
            raise ConnectionResetError("client gone")
        if self._is_write_paused:
            self._drained = asyncio.get_running_loop().create_future()
            try:
                await self._drained
            finally:
                self._drained = None
            if self._is_lost:
                raise ConnectionResetError("client gone")

    def _release_writer(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
