"""The Engine API's manners: versions, error replies, streams.

A `Client` negotiates the API version once (unversioned `HEAD /_ping`), then every path is
prefixed with it. Idle connections are kept for the next call; a call that streams or hijacks
keeps its own.
"""

from __future__ import annotations

import sys

from wharfie.client.dialing import Stream, dial
from wharfie.client.endpoint import Endpoint
from wharfie.client.errors import (
    Cause,
    ClientError,
    ConnectionFailed,
    DaemonError,
    NotFound,
    TransportError,
    UpgradeRefused,
)
from wharfie.client.http import Connection, Response
from wharfie.formats.gojson import JsonError, dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Query = Mapping[str, str | list[str]]

API_VERSION = "1.51"
MIN_API_VERSION = "1.24"
# what servers answer to plain HTTP where they speak TLS
_WANT_TLS = (
    b"Client sent an HTTP request to an HTTPS server.",
    b"The plain HTTP request was sent to HTTPS port",  # nginx
)
_UNRESERVED = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~"


def escape(text: str, safe: str = "") -> str:
    """Percent-encode for a path segment or a query value."""
    keep = _UNRESERVED + safe
    return "".join(
        char
        if char in keep
        else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
        for char in text
    )


def encode_query(query: Query) -> str:
    """Encode a query, keys sorted as Go sorts them."""
    pairs = []
    for key in sorted(query):
        value = query[key]
        items = [value] if isinstance(value, str) else value
        pairs += [f"{escape(key)}={escape(item)}" for item in items]
    return "&".join(pairs)


def version_key(text: str) -> tuple[int, ...]:
    """Return an API version as something that compares."""
    return tuple(int(part) if part.isdigit() else 0 for part in text.split("."))


class Hijacked:
    """A connection handed over by the daemon: raw bytes both ways."""

    def __init__(self, stream: Stream, early: bytes) -> None:
        self.stream = stream
        self._early = early

    def recv(self) -> bytes:
        """Return some bytes; empty at the end."""
        if self._early:
            data, self._early = self._early, b""
            return data
        return self.stream.recv()


class Pending:
    """A request that was sent, its reply not yet read."""

    def __init__(self, client: Client, connection: Connection, method: str, path: str) -> None:
        self._client = client
        self._connection = connection
        self._method = method
        self._path = path
        self._response: Response | None = None

    def accepted(self) -> None:
        """Wait until the daemon has begun its reply: what was asked for is under way."""
        self.response()

    def response(self) -> Response:
        """Wait for the head of the reply; errors become exceptions."""
        if self._response is None:
            self._response = self._client.finish(self._connection, self._method, self._path)
        return self._response

    def json(self) -> object:
        """Wait for the reply and read its JSON body."""
        return read_json(self.response())


def read_json(response: Response) -> object:
    """Return the reply's JSON body; None when it is empty."""
    try:
        data = response.read()
        return loads(data) if data.strip() else None
    except JsonError as error:
        raise ClientError(str(error)) from None
    except TransportError as error:
        raise ClientError(str(error)) from None


class Client:
    """A daemon, as seen by one program run."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        headers: Mapping[str, str] | None = None,
        version: str = "",
        user_agent: str = "Wharfie-Client",
    ) -> None:
        self.endpoint = endpoint
        self.ping: Mapping[str, str] = {}
        self.cause = ""
        """Why the last conversation failed, one of `Cause`; empty when it did not, or unknown."""
        self._version = version
        self._negotiated = bool(version)
        self._idle: Connection | None = None
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        agent = f"{user_agent} ({sys.platform})"
        self._common = f"Host: {endpoint.host_header}\r\nUser-Agent: {agent}\r\n{extra}"

    @property
    def version(self) -> str:
        """The API version in use, negotiated if need be."""
        if not self._negotiated:
            self._negotiate()
        return self._version or API_VERSION

    def _negotiate(self) -> None:
        """Agree on the older of the daemon's and our newest version.

        A daemon that cannot be reached is no error here: the real request will tell.
        """
        self._negotiated = True
        self._version = API_VERSION
        try:
            response = self._exchange("HEAD", f"{self.endpoint.prefix}/_ping", None, {})
        except ClientError:
            return
        response.read()
        self.ping = response.headers
        theirs = response.headers.get("api-version") or MIN_API_VERSION
        if version_key(theirs) < version_key(API_VERSION):
            self._version = theirs

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        data: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request and return the reply, its body unread.

        `path` is below the version prefix and already escaped; `body` is sent as JSON, `data`
        as it is, pieces of it chunked.

        Raises:
            DaemonError: the status is an error (NotFound for 404).
            ConnectionFailed: no conversation came about.
        """
        full = self._full(path, query)
        sent, extra = _payload(method, body, data)
        response = self._exchange(method, full, sent, {**extra, **(headers or {})})
        return self._checked(response, method, full)

    def json(
        self, method: str, path: str, *, query: Query | None = None, body: object = None
    ) -> object:
        """Send a request and return the JSON body of the reply."""
        return read_json(self.call(method, path, query=query, body=body))

    def done(
        self, method: str, path: str, *, query: Query | None = None, body: object = None
    ) -> None:
        """Send a request whose reply says nothing more."""
        self.call(method, path, query=query, body=body).read()

    def begin(self, method: str, path: str, *, query: Query | None = None) -> Pending:
        """Send a request on a connection of its own and return at once."""
        full = self._full(path, query)
        sent, extra = _payload(method, None, None)
        connection = self._connect(method, full)
        try:
            connection.request(self._head(method, full, sent, extra), b"")
        except TransportError as error:
            raise self._failed(method, full, error) from None
        return Pending(self, connection, method, full)

    def finish(self, connection: Connection, method: str, full: str) -> Response:
        """Read the reply of `begin`."""
        try:
            response = connection.response(method=method)
        except TransportError as error:
            raise self._failed(method, full, error) from None
        return self._checked(response, method, full)

    def hijack(
        self,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Hijacked:
        """Have the daemon hand over a connection.

        Raises:
            UpgradeRefused: it answered something else than 101.
        """
        full = self._full(path, query)
        data = dumps(body, html=True).encode() if body is not None else b""
        kind = "application/json" if body is not None else "text/plain"
        extra = {
            "Content-Length": str(len(data)),
            "Connection": "Upgrade",
            "Upgrade": "tcp",
            "Content-Type": kind,
            **(headers or {}),
        }
        connection = self._connect("POST", full, tunnel=True)
        try:
            connection.request(self._head("POST", full, data, extra), data)
            response = connection.response(method="POST")
        except TransportError as error:
            raise self._failed("POST", full, error) from None
        if response.status != 101:
            connection.close()
            raise UpgradeRefused(f"unable to upgrade to tcp, received {response.status}")
        return Hijacked(connection.stream, connection.take())

    def _full(self, path: str, query: Query | None) -> str:
        text = encode_query(query) if query else ""
        return f"{self.endpoint.prefix}/v{self.version}{path}{'?' if text else ''}{text}"

    def _head(
        self,
        method: str,
        full: str,
        data: bytes | Iterable[bytes] | None,
        extra: Mapping[str, str],
    ) -> bytes:
        lines = [f"{method} {full} HTTP/1.1\r\n", self._common]
        lines += [f"{name}: {value}\r\n" for name, value in extra.items()]
        if data is not None and not isinstance(data, bytes):
            lines.append("Transfer-Encoding: chunked\r\n")
        lines.append("\r\n")
        return "".join(lines).encode("latin-1", "replace")

    def _connect(self, method: str, full: str, *, tunnel: bool = False) -> Connection:
        try:
            return Connection(dial(self.endpoint, tunnel=tunnel))
        except TransportError as error:
            raise self._failed(method, full, error) from None

    def _exchange(
        self,
        method: str,
        full: str,
        data: bytes | Iterable[bytes] | None,
        extra: Mapping[str, str],
    ) -> Response:
        head = self._head(method, full, data, extra)
        kept, self._idle = self._idle, None
        if kept is not None and kept.reusable:
            try:
                return self._round(kept, method, head, data)
            except TransportError as error:
                # What changes something might have been done before the connection broke.
                replayable = method in {"GET", "HEAD"}
                kept.close()
                if not replayable or error.kind not in {"eof", "read", "write"}:
                    raise self._failed(method, full, error) from None
        connection = self._connect(method, full)
        try:
            return self._round(connection, method, head, data)
        except TransportError as error:
            connection.close()
            raise self._failed(method, full, error) from None

    def _round(
        self,
        connection: Connection,
        method: str,
        head: bytes,
        data: bytes | Iterable[bytes] | None,
    ) -> Response:
        connection.request(head, data)
        response = connection.response(method=method)
        self.cause = ""
        self._idle = connection
        return response

    def _checked(self, response: Response, method: str, full: str) -> Response:
        if response.status < 400:
            return response
        try:
            data = response.read()
        except TransportError as error:
            raise self._failed(method, full, error) from None
        wants_tls = response.status == 400 and any(words in data for words in _WANT_TLS)
        if wants_tls and self.endpoint.tls is None:
            self.cause = Cause.WANTS_TLS
        raise error_of(response, data, self.endpoint.base_url + full)

    def _failed(self, method: str, full: str, error: TransportError) -> ClientError:
        """Put a socket's failure into the words Docker's users know."""
        self.cause = error.cause
        shown = self.endpoint.shown
        request = f'{method.capitalize()} "{self.endpoint.base_url}{full}": {error}'
        if error.kind == "denied":
            return ConnectionFailed(
                "permission denied while trying to connect to the Docker daemon socket at"
                f" {shown}: {request}"
            )
        if error.kind == "dial":
            return ConnectionFailed(
                f"Cannot connect to the Docker daemon at {shown}. Is the docker daemon running?"
            )
        if error.kind == "malformed" and self.endpoint.tls is None:
            return ConnectionFailed(
                f"{request}.\n* Are you trying to connect to a TLS-enabled daemon without TLS?"
            )
        if self.endpoint.tls is not None and "bad certificate" in str(error):
            return ConnectionFailed(
                "the server probably has client authentication (--tlsverify) enabled;"
                f" check your TLS client certification settings: {request}"
            )
        return ConnectionFailed(f"error during connect: {request}")


def _payload(
    method: str, body: object, data: bytes | Iterable[bytes] | None
) -> tuple[bytes | Iterable[bytes] | None, dict[str, str]]:
    if body is not None:
        data = dumps(body, html=True).encode("utf-8", "surrogatepass")
        return data, {"Content-Type": "application/json", "Content-Length": str(len(data))}
    if isinstance(data, bytes):
        return data, {"Content-Length": str(len(data))}
    if data is None and method in {"POST", "PUT"}:
        return None, {"Content-Length": "0"}
    return data, {}


def error_of(response: Response, data: bytes, url: str) -> DaemonError:
    """Make the exception of an error reply."""
    text = data.decode("utf-8", "replace").strip()
    if response.headers.get("content-type", "").startswith("application/json"):
        try:
            document = loads(data)
        except JsonError:
            document = None
        if isinstance(document, dict) and isinstance(document.get("message"), str):
            text = document["message"].strip()
    wordless = not text
    if wordless:
        text = (
            f"request returned {response.status} {response.reason} for API route and version"
            f" {url}, check if the server supports the requested API version"
        )
    kind = NotFound if response.status == 404 else DaemonError
    return kind(response.status, text, wordless=wordless)


def stream_values(response: Response) -> Iterator[object]:
    """Yield the JSON values of a streamed reply as they arrive."""
    from wharfie.formats.gojson import Stream as Values

    values = Values()
    try:
        for piece in response.pieces():
            yield from values.feed(piece)
        yield from values.close()
    except JsonError as error:
        raise ClientError(str(error)) from None
    except TransportError as error:
        raise ClientError(str(error)) from None
