"""A client of the Engine API that costs next to nothing: one socket, hardly any parsing."""

import json
import socket


class Api:
    """One keep-alive connection to a unix socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(path)

    def close(self) -> None:
        self._socket.close()

    def call(self, method: str, path: str, body: object = None) -> bytes:
        """One request; returns the reply's body, RuntimeError for a status of 400 or more."""
        self._socket.sendall(_request(method, path, body))
        status, reply = _read_reply(self._socket)
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {reply.decode(errors='replace')}")
        return reply

    def document(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """As `call`, the reply decoded."""
        document: dict[str, object] = json.loads(self.call(method, path, body))
        return document

    def stream(self, path: str, body: object) -> bytes:
        """POST that takes a connection of its own over; returns all it said until its end."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(60)
            connection.connect(self._path)
            upgrade = "Connection: Upgrade\r\nUpgrade: tcp\r\n"
            connection.sendall(_request("POST", path, body, upgrade))
            chunks = []
            while chunk := connection.recv(1 << 16):
                chunks.append(chunk)
            return b"".join(chunks)


def _request(method: str, path: str, body: object, headers: str = "") -> bytes:
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: d\r\n{headers}"
    if data:
        head += "Content-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def _read_reply(connection: socket.socket) -> tuple[int, bytes]:
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _receive(connection)
    head, rest = data[:end].lower(), data[end + 4 :]
    status = int(head.split(None, 2)[1])
    if b"transfer-encoding: chunked" in head:
        return status, _chunked(connection, rest)
    at = head.find(b"content-length:")
    length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    parts = [rest]
    left = length - len(rest)
    while left > 0:
        parts.append(_receive(connection))
        left -= len(parts[-1])
    return status, b"".join(parts)


def _chunked(connection: socket.socket, data: bytes) -> bytes:
    body = b""
    while True:
        while (end := data.find(b"\r\n")) < 0:
            data += _receive(connection)
        size = int(data[:end].split(b";")[0], 16)
        while len(data) < end + 2 + size + 2:
            data += _receive(connection)
        body += data[end + 2 : end + 2 + size]
        data = data[end + 4 + size :]
        if not size:
            return body


def _receive(connection: socket.socket) -> bytes:
    if not (data := connection.recv(1 << 20)):
        raise ConnectionResetError("the daemon closed the connection")
    return data
