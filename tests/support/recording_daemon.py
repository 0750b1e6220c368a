"""A stand-in for the daemon that records requests and answers from a table.

It serves a unix socket from threads; a route is `(method, path without version)` and answers a
`Reply`, or bytes to be sent raw after `101` on a hijacked connection.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """One recorded request."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    body: bytes

    def json(self) -> object:
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True)
class Reply:
    """One canned reply; `hijack` switches protocols, sends `body` and ends the stream."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    hijack: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: object, status: int = 200) -> Reply:
        return cls(status, json.dumps(document).encode())


CONTAINER_ID = "c0ffee" * 10 + "abcd"


def default_routes() -> dict[tuple[str, str], Reply]:
    return {
        ("POST", "/containers/create"): Reply.of({"Id": CONTAINER_ID, "Warnings": []}, 201),
        ("POST", f"/containers/{CONTAINER_ID}/attach"): Reply(hijack=True),
        ("POST", f"/containers/{CONTAINER_ID}/wait"): Reply.of({"StatusCode": 0}),
        ("POST", f"/containers/{CONTAINER_ID}/start"): Reply(204),
    }


class RecordingDaemon:
    """Serves until closed."""

    def __init__(self, path: Path, routes: dict[tuple[str, str], Reply] | None = None) -> None:
        self.path = path
        self.routes = {**default_routes(), **(routes or {})}
        self.requests: list[Request] = []
        self.api_version = "1.50"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def host(self) -> str:
        return f"unix://{self.path}"

    def take(self) -> list[Request]:
        """Return what was recorded so far, pings aside, and forget it."""
        found = [request for request in self.requests if request.path != "/_ping"]
        self.requests.clear()
        return found

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in [self._acceptor, *self._threads]:
            thread.join(5)

    def __enter__(self) -> RecordingDaemon:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        reader = connection.makefile("rb")
        try:
            while self._one(connection, reader):
                pass
        except OSError:
            pass
        finally:
            reader.close()
            connection.close()

    def _one(self, connection: socket.socket, reader: object) -> bool:
        line = reader.readline().decode()  # type: ignore[attr-defined]
        if not line:
            return False
        method, target, _ = line.split()
        headers: dict[str, str] = {}
        while line := reader.readline().decode().strip():  # type: ignore[attr-defined]
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = self._body(reader, headers)
        parts = urlsplit(target)
        path = parts.path
        if path.startswith("/v1."):
            path = "/" + path.split("/", 2)[2]
        query = tuple(sorted(parse_qsl(parts.query, keep_blank_values=True)))
        self.requests.append(Request(method, path, query, headers, body))
        return self._reply(connection, method, path)

    def _body(self, reader: object, headers: dict[str, str]) -> bytes:
        read = reader.read  # type: ignore[attr-defined]
        readline = reader.readline  # type: ignore[attr-defined]
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(readline().strip(), 16):
                body += read(size)
                readline()
            readline()
            return body
        return read(int(headers.get("content-length", "0")))

    def _reply(self, connection: socket.socket, method: str, path: str) -> bool:
        reply = self.routes.get((method, path))
        if path == "/_ping":
            reply = Reply(200, b"" if method == "HEAD" else b"OK", "text/plain")
        if reply is None:
            reply = Reply.of({"message": f"no route {method} {path}"}, 404)
        if reply.hijack:
            connection.sendall(
                b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
                b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + reply.body
            )
            return False
        head = (
            f"HTTP/1.1 {reply.status} X\r\nApi-Version: {self.api_version}\r\nOstype: linux\r\n"
            f"Content-Type: {reply.content_type}\r\n"
            + "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        )
        if reply.status not in {204, 304}:
            head += f"Content-Length: {len(reply.body)}\r\n"
        connection.sendall(head.encode() + b"\r\n" + reply.body)
        return True
