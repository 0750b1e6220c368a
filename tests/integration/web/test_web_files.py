"""Answers that are parts of files, and streams of known length; plain and over TLS."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.http_certs import certificates
from support.http_serving import Serving, connected, read_all, read_reply, serving
from wharfie.web import FilePart, Limits, Request, Response, Stream, TcpListener

SIZE = 3_000_001
GET = "{} /{} HTTP/1.1\r\nHost: h\r\n\r\n"


class Files:
    """`/small`, `/large`, `/part`, `/short` (shorter than it says), `/stream/<length>`."""

    def __init__(self, folder: Path) -> None:
        self.data = os.urandom(SIZE)
        self.path = folder / "file"
        self.path.write_bytes(self.data)
        self.open = 0

    def __call__(self, request: Request) -> Response | Stream | FilePart:
        name = request.path.strip("/")
        if name.startswith("stream"):

            async def chunks():
                yield self.data[:1000]
                yield self.data[1000:2000]

            return Stream(chunks(), length=int(name.partition("/")[2]))
        if name == "ping":
            return Response(200, b"pong")
        offset, length = {
            "small": (5, 1000),
            "large": (0, SIZE),
            "part": (1_000_000, 1_500_000),
            "short": (SIZE - 10, 100_000),
            "empty": (0, 0),
        }[name]
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        self.open += 1

        def close() -> None:
            self.open -= 1
            os.close(fd)

        return FilePart(fd, offset, length, close, 206 if name == "part" else 200, "a/b")


@contextmanager
def running(files: Files, *, tls: bool = False, **limits: float) -> Iterator[Serving]:
    source = certificates().source() if tls else None
    listener = TcpListener(host="127.0.0.1", port=0, tls=source)
    with serving(files, [listener], limits=Limits(**limits)) as server:
        yield server
    assert files.open == 0


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture(params=["plain", "tls"])
def client(files: Files, request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    with (
        running(files, tls=request.param == "tls") as server,
        connected(("127.0.0.1", server.port)) as raw,
    ):
        if request.param == "plain":
            yield raw
            return
        context = certificates().client_context()
        with context.wrap_socket(raw, server_hostname="localhost") as wrapped:
            yield wrapped


def test_parts_of_a_file_one_after_the_other(client: socket.socket, files: Files) -> None:
    """On one connection, asked for at once: in order, whole, and nothing in between."""
    names = ["small", "large", "ping", "part", "empty", "large", "small"]
    expected = {
        "small": files.data[5:1005],
        "large": files.data,
        "part": files.data[1_000_000:2_500_000],
        "ping": b"pong",
        "empty": b"",
    }
    client.sendall("".join(GET.format("GET", name) for name in names).encode())
    rest = b""
    for name in names:
        status, fields, body, rest = read_reply(client, rest)
        assert status == (206 if name == "part" else 200)
        assert body == expected[name]
        assert int(fields["content-length"]) == len(body)


def test_head_tells_the_length_and_sends_nothing(client: socket.socket, files: Files) -> None:
    asked = GET.format("HEAD", "large") + GET.format("GET", "ping")
    client.sendall(asked.encode())
    answer = b""
    while b"pong" not in answer:
        answer += client.recv(65536)
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert b"Content-Length: %d" % SIZE in head
    assert rest.startswith(b"HTTP/1.1 200")


def test_a_stream_of_known_length_is_not_chunked(client: socket.socket, files: Files) -> None:
    client.sendall((GET.format("GET", "stream/2000") + GET.format("GET", "ping")).encode())
    _, fields, body, rest = read_reply(client)
    assert "transfer-encoding" not in fields
    assert body == files.data[:2000]
    assert read_reply(client, rest)[2] == b"pong"


@pytest.mark.parametrize("length", [1999, 2001])
def test_a_stream_of_another_length_is_torn(files: Files, length: int) -> None:
    with running(files) as server, connected(("127.0.0.1", server.port)) as raw:
        raw.sendall((GET.format("GET", f"stream/{length}") + GET.format("GET", "ping")).encode())
        answer = read_all(raw)
        assert b"pong" not in answer
        body = answer.partition(b"\r\n\r\n")[2]
        assert len(body) < length or length == 1999
        assert len(body) <= length


def test_a_file_that_shrank_tears_the_connection(files: Files) -> None:
    listener = TcpListener(host="127.0.0.1", port=0)
    with serving(files, [listener], expect_errors=True) as server:
        with connected(("127.0.0.1", server.port)) as raw:
            raw.sendall((GET.format("GET", "short") + GET.format("GET", "ping")).encode())
            answer = read_all(raw)
        assert answer.partition(b"\r\n\r\n")[2] == files.data[-10:]
        with connected(("127.0.0.1", server.port)) as raw:
            raw.sendall(GET.format("GET", "ping").encode())
            assert read_reply(raw)[2] == b"pong"
    assert files.open == 0


def test_a_client_that_sends_no_more_gets_its_file(files: Files) -> None:
    with running(files) as server, connected(("127.0.0.1", server.port)) as raw:
        raw.sendall(GET.format("GET", "large").encode())
        raw.shutdown(socket.SHUT_WR)
        assert read_all(raw).partition(b"\r\n\r\n")[2] == files.data


def test_a_client_that_goes_away_frees_the_file(files: Files) -> None:
    with running(files) as server:
        for _ in range(20):
            with connected(("127.0.0.1", server.port)) as raw:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                raw.sendall(GET.format("GET", "large").encode())
                raw.recv(100)
        until = time.monotonic() + 10
        while files.open and time.monotonic() < until:
            with connected(("127.0.0.1", server.port)) as raw:
                raw.sendall(GET.format("GET", "ping").encode())
                read_reply(raw)
        assert files.open == 0


def test_a_client_that_reads_nothing_is_given_up(files: Files) -> None:
    with running(files, head_timeout=0.5) as server:
        with connected(("127.0.0.1", server.port), timeout=20) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.sendall(GET.format("GET", "large").encode() * 3)
            until = time.monotonic() + 15
            while server.server.connections and time.monotonic() < until:
                server.call(lambda: None)
            assert not server.server.connections
        assert files.open == 0


def test_slow_readers_do_not_hold_up_others(files: Files) -> None:
    """More of them than there are threads, each reading a little now and then."""
    with running(files) as server:
        slow = []
        for _ in range(40):
            raw = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            if len(slow) >= 5:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            raw.sendall(GET.format("GET", "large").encode())
            slow.append(raw)
        with connected(("127.0.0.1", server.port), timeout=20) as raw:
            raw.sendall(GET.format("GET", "large").encode())
            assert read_reply(raw)[2] == files.data
        bodies: list[bytes] = []
        threads = [
            threading.Thread(target=lambda raw=raw: bodies.append(read_reply(raw)[2]))
            for raw in slow[:5]
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert bodies == [files.data] * 5
        for raw in slow:
            raw.close()
