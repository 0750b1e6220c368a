"""What a handler answers with, and how an answer's head is spelled.

Header blocks are bytes, encoded once by `encode_fields` and reused: most answers of one server
carry the same ones. Source: RFC 9112.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus

from msgspec import Struct

_FORBIDDEN = frozenset("\r\n\0")
_BODILESS = frozenset({204, 304})


def encode_fields(*pairs: tuple[str, str]) -> bytes:
    """Encode header fields as a block of lines.

    Raises:
        ValueError: a name or value holds a line break.
    """
    for name, value in pairs:
        if _FORBIDDEN.intersection(name) or _FORBIDDEN.intersection(value):
            raise ValueError(f"line break in header field {name!r}")
    return "".join(f"{name}: {value}\r\n" for name, value in pairs).encode("latin-1", "replace")


class Response(Struct, frozen=True):
    """An answer that is known as a whole.

    Attributes:
        content_type: "" for none.
        headers: further fields, from `encode_fields`.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = ""
    headers: bytes = b""


class Stream(Struct, frozen=True):
    """An answer made piece by piece: the head goes out at once, each item as soon as it is there.

    The iterator is cancelled when the client closes its side, and when the server stops.

    Attributes:
        length: bytes of all pieces where that is known; fewer tear the connection.
    """

    chunks: AsyncIterator[bytes]
    status: int = 200
    content_type: str = ""
    headers: bytes = b""
    length: int | None = None


class FilePart(Struct, frozen=True):
    """An answer that is a part of a file; the kernel copies it where nobody encrypts.

    Attributes:
        fd: of the file, open until `close` is called.
        offset: where the part begins.
        length: its bytes; the file must have them.
        close: called once, whatever becomes of the answer.
    """

    fd: int
    offset: int
    length: int
    close: Callable[[], None]
    status: int = 200
    content_type: str = ""
    headers: bytes = b""


class Hijack(Struct, frozen=True):
    """The connection itself is the answer.

    After the head, `take` is called with a connected stream socket (non-blocking) and the bytes
    the client sent behind its request. The descriptor is closed when `take` returns: what must
    live on duplicates it or passes it on.

    Attributes:
        protocol: "" switches to whatever the client asked for, where it asked; else the name of
            the protocol switched to.
        is_lasting: `take` returns only when the connection is done; it is cancelled when the
            server stops.
    """

    take: Callable[[int, bytes], Awaitable[None]]
    content_type: str = ""
    headers: bytes = b""
    protocol: str = ""
    is_lasting: bool = False


Reply = Response | Stream | FilePart | Hijack


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {_phrase(status)}\r\n".encode()


_STATUS_LINES = {status.value: _status_line(status.value) for status in HTTPStatus}


def response_head(reply: Response | FilePart, *, date: bytes, close: bool) -> bytes:
    """Spell the head of a whole answer, its empty line included."""
    status = reply.status
    parts = [_STATUS_LINES.get(status) or _status_line(status), reply.headers]
    if reply.content_type:
        parts.append(f"Content-Type: {reply.content_type}\r\n".encode("latin-1"))
    parts.append(date)
    if close:
        parts.append(b"Connection: close\r\n")
    if status in _BODILESS:
        parts.append(b"\r\n")
    else:
        length = reply.length if isinstance(reply, FilePart) else len(reply.body)
        parts.append(b"Content-Length: %d\r\n\r\n" % length)
    return b"".join(parts)


def stream_head(reply: Stream, *, date: bytes, chunked: bool, close: bool) -> bytes:
    """Spell the head of a streamed answer.

    Unless it is `chunked` or has a length, the end of the connection ends it.
    """
    parts = [_STATUS_LINES.get(reply.status) or _status_line(reply.status), reply.headers]
    if reply.content_type:
        parts.append(f"Content-Type: {reply.content_type}\r\n".encode("latin-1"))
    parts.append(date)
    if close or not (chunked or reply.length is not None):
        parts.append(b"Connection: close\r\n")
    if reply.length is not None:
        parts.append(b"Content-Length: %d\r\n\r\n" % reply.length)
    else:
        parts.append(b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"\r\n")
    return b"".join(parts)


def hijack_head(reply: Hijack, *, upgrade: bool) -> bytes:
    """Spell the head after which the connection carries raw bytes. Source: behaviours 82."""
    if reply.protocol:
        switch = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: {reply.protocol}\r\n"
        return switch.encode() + b"Connection: Upgrade\r\n" + reply.headers + b"\r\n"
    parts = [b"HTTP/1.1 101 UPGRADED\r\n" if upgrade else b"HTTP/1.1 200 OK\r\n"]
    if reply.content_type:
        parts.append(f"Content-Type: {reply.content_type}\r\n".encode("latin-1"))
    if upgrade:
        parts.append(b"Connection: Upgrade\r\nUpgrade: tcp\r\n")
    parts.append(reply.headers)
    parts.append(b"\r\n")
    return b"".join(parts)


def refusal(status: int, message: str) -> Response:
    """What the server itself answers to a request no handler ever sees."""
    text = f"{status} {_phrase(status)}: {message}"
    return Response(status, text.encode(), "text/plain; charset=utf-8")
