"""HTTP/1.1 from the client's side: one request at a time over one stream.

Bodies come and go as a whole or in pieces (chunked); after `101 Switching Protocols` the stream
belongs to the caller. Limits: a head of 1 MiB.
"""

from __future__ import annotations

from wharfie.client.dialing import RECEIVE, ProxiedStream, Stream
from wharfie.client.errors import Cause, TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MAX_HEAD = 1 << 20


class Response:
    """A reply: status, reason, headers (lower-case names), and a body to read once."""

    def __init__(
        self, connection: Connection, status: int, reason: str, headers: dict[str, str]
    ) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self._connection = connection
        self._pieces: Iterator[bytes] = iter(())
        self._kept = b""

    def start_body(self, pieces: Iterator[bytes]) -> None:
        """Say where the body's pieces come from."""
        self._pieces = pieces

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it arrives."""
        if self._kept:
            kept, self._kept = self._kept, b""
            yield kept
        yield from self._pieces

    def read(self) -> bytes:
        """Return the whole body."""
        return b"".join(self.pieces())

    def close(self) -> None:
        """Give up the rest of the body; the connection is of no further use then."""
        self._connection.close()


class Connection:
    """One stream, used for one request after the other."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.reusable = False
        self.fresh = True
        self._buffer = b""

    def close(self) -> None:
        """Close the stream."""
        self.reusable = False
        self.stream.close()

    def request(self, head: bytes, body: bytes | Iterable[bytes] | None) -> None:
        """Send a request whose head is complete.

        A server that stops reading may have said why: a failure to send is kept quiet, and
        `response` finds the reason, or fails in its turn.
        """
        self.reusable = False
        if isinstance(self.stream, ProxiedStream):
            method, _, rest = head.partition(b" ")
            target, _, rest = rest.partition(b"\r\n")
            place, lines = self.stream.base_url.encode(), self.stream.lines.encode()
            head = b"%b %b%b\r\n%b%b" % (method, place, target, lines, rest)
        try:
            if body is None or isinstance(body, bytes):
                self.stream.send(head + (body or b""))
                return
            self.stream.send(head)
            for piece in body:
                if piece:
                    self.stream.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.stream.send(b"0\r\n\r\n")
        except TransportError as error:
            if error.kind != "write":
                raise

    def response(self, *, method: str) -> Response:
        """Read the head of the reply.

        Raises:
            TransportError: the stream ended (`EOF`) or what came is no HTTP.
        """
        while True:
            status, reason, headers = self._head()
            if status >= 200 or status == 101:
                break
        self.fresh = False
        response = Response(self, status, reason, headers)
        if status == 101:
            return response
        close = headers.get("connection", "").lower() == "close"
        if method == "HEAD" or status in {204, 304}:
            self.reusable = not close
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            response.start_body(self._chunked(reusable=not close))
        elif "content-length" in headers:
            length = _length(headers["content-length"])
            response.start_body(self._counted(length, reusable=not close))
        else:
            response.start_body(self._until_end())
        return response

    def take(self) -> bytes:
        """Return and forget what was received but not yet read."""
        data, self._buffer = self._buffer, b""
        return data

    def _more(self) -> bool:
        data = self.stream.recv(RECEIVE)
        self._buffer += data
        return bool(data)

    def _head(self) -> tuple[int, str, dict[str, str]]:
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end >= 0:
                break
            self._check_start()
            if len(self._buffer) > _MAX_HEAD:
                raise TransportError("net/http: server response headers exceeded 1048576 bytes")
            if not self._more():
                if self._buffer:
                    raise TransportError("unexpected EOF")
                raise TransportError("EOF", kind="eof")
        self._check_start()
        text = self._buffer[:end].decode("latin-1")
        self._buffer = self._buffer[end + 4 :]
        first, *lines = text.split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        words = first.split(" ", 2)
        if len(words) < 2 or not words[1].isdigit():
            raise _malformed(first.encode("latin-1"))
        if words[0] == "HTTP/1.0" and "connection" not in headers:
            headers["connection"] = "close"
        return int(words[1]), words[2] if len(words) > 2 else "", headers

    def _check_start(self) -> None:
        start = self._buffer[:5]
        if start and not b"HTTP/".startswith(start):
            line = self._buffer.split(b"\n", 1)[0].rstrip(b"\r")
            raise _malformed(line)

    def _line(self) -> bytes:
        while True:
            end = self._buffer.find(b"\r\n")
            if end >= 0:
                line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
                return line
            if len(self._buffer) > RECEIVE or not self._more():
                raise TransportError("unexpected EOF")

    def _chunked(self, *, reusable: bool) -> Iterator[bytes]:
        while True:
            digits = self._line().split(b";", 1)[0].strip()
            try:
                size = int(digits, 16)
            except ValueError:
                raise TransportError("invalid byte in chunk length") from None
            if size == 0:
                while self._line():
                    pass
                self.reusable = reusable
                return
            yield from self._exactly(size)
            if self._line():
                raise TransportError("malformed chunked encoding")

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            if not self._buffer and not self._more():
                raise TransportError("unexpected EOF")
            piece, self._buffer = self._buffer[:size], self._buffer[size:]
            size -= len(piece)
            yield piece

    def _counted(self, size: int, *, reusable: bool) -> Iterator[bytes]:
        yield from self._exactly(size)
        self.reusable = reusable

    def _until_end(self) -> Iterator[bytes]:
        while self._buffer or self._more():
            yield self.take()


def _length(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise TransportError(f'bad Content-Length "{text}"')
    return int(text)


def _malformed(line: bytes) -> TransportError:
    shown = "".join(chr(b) if 32 <= b < 127 and b not in b'"\\' else f"\\x{b:02x}" for b in line)
    text = f'net/http: HTTP/1.x transport connection broken: malformed HTTP response "{shown}"'
    # 0x15 begins a TLS alert: the other side waits for a handshake.
    cause = Cause.WANTS_TLS if line.startswith(b"\x15") else ""
    return TransportError(text, kind="malformed", cause=cause)


__all__ = ["Connection", "Response"]
