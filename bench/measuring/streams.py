"""Bodies over a unix socket: http.client's way, and the way of a client that copies nothing.

`fetch` and `send` have the kernel move the bytes between socket and file (splice, sendfile), so
what they take is what the engine takes; `Unix` is what most programs do.
"""

import fcntl
import http.client
import os
import socket
from pathlib import Path

PIPE = 1 << 20
_LINE = 64


class Unix(http.client.HTTPConnection):
    """HTTP over an engine's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("d", timeout=120)
        self._path = path

    def connect(self) -> None:
        self.sock = connect(self._path)


def connect(path: str, timeout: float = 120) -> socket.socket:
    """A connection to a unix socket."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    connection.connect(path)
    return connection


def drain(connection: socket.socket) -> int:
    """Read to the end; how many bytes came."""
    view = memoryview(bytearray(PIPE))
    size = 0
    while count := connection.recv_into(view):
        size += count
    return size


def fetch(path: str, url: str, target: Path) -> int:
    """GET a streamed body into a file; its size, RuntimeError unless the status is 200."""
    with connect(path) as connection, target.open("wb", buffering=0) as file:
        connection.setblocking(True)  # splice heeds the descriptor, not a timeout
        connection.sendall(f"GET {url} HTTP/1.1\r\nHost: d\r\n\r\n".encode())
        head = _up_to(connection, b"\r\n\r\n", 1)
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise RuntimeError(head.decode(errors="replace"))
        read_end, write_end = os.pipe()
        try:
            fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, PIPE)
            size = 0
            while chunk := int(_line(connection), 16):
                _move(connection.fileno(), (read_end, write_end), file.fileno(), chunk)
                _line(connection)
                size += chunk
            return size
        finally:
            os.close(read_end)
            os.close(write_end)


def send(path: str, method: str, url: str, source: Path) -> bytes:
    """Send a file as a tar; the reply's body, RuntimeError unless the status is 200."""
    size = source.stat().st_size
    head = f"{method} {url} HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\n"
    with connect(path) as connection, source.open("rb", buffering=0) as file:
        connection.setblocking(True)
        connection.sendall(f"{head}Content-Length: {size}\r\n\r\n".encode())
        while size:
            size -= os.sendfile(connection.fileno(), file.fileno(), None, size)
        reply = http.client.HTTPResponse(connection)
        reply.begin()
        body = reply.read()
    if reply.status != 200:
        raise RuntimeError(body.decode(errors="replace"))
    return body


def _move(source: int, pipe: tuple[int, int], target: int, left: int) -> None:
    while left:
        held = os.splice(source, pipe[1], min(left, PIPE))
        if not held:
            raise ConnectionResetError("the engine closed the connection")
        left -= held
        while held:
            held -= os.splice(pipe[0], target, held)


def _line(connection: socket.socket) -> bytes:
    """One line, and not a byte more than that."""
    ahead = connection.recv(_LINE, socket.MSG_PEEK)
    end = ahead.find(b"\n") + 1
    return connection.recv(end) if end else _up_to(connection, b"\n", 1)


def _up_to(connection: socket.socket, end: bytes, step: int) -> bytes:
    data = b""
    while not data.endswith(end):
        if not (more := connection.recv(step)):
            raise ConnectionResetError("the engine closed the connection")
        data += more
    return data
