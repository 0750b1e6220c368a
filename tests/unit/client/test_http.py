from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.client.dialing import Stream
from wharfie.client.errors import TransportError
from wharfie.client.http import Connection


class FakeStream(Stream):
    """A stream whose other side has said everything already."""

    def __init__(self, data: bytes, step: int = 7) -> None:
        self._pieces = [data[at : at + step] for at in range(0, len(data), step)]
        self.sent = b""
        self.refuses = False

    def recv(self, size: int = 0) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def send(self, data: bytes) -> None:
        if self.refuses:
            raise TransportError("write: broken pipe", kind="write")
        self.sent += data

    def close(self) -> None:
        self._pieces.clear()


def answer(data: bytes, method: str = "GET", step: int = 7) -> tuple[Connection, int, bytes]:
    connection = Connection(FakeStream(data, step))
    connection.request(b"", None)
    response = connection.response(method=method)
    return connection, response.status, response.read()


CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
)


@given(st.integers(1, 100))
def test_chunk_boundaries_do_not_matter(step: int) -> None:
    connection, status, body = answer(CHUNKED + b"HTTP", step=step)
    assert (status, body) == (200, b"hello!")
    assert connection.reusable


def test_a_counted_body_leaves_the_connection_usable() -> None:
    connection, _, body = answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab")
    assert body == b"ab"
    assert connection.reusable


def test_a_body_without_length_ends_with_the_stream() -> None:
    connection, _, body = answer(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    assert body == b"all of it"
    assert not connection.reusable


@pytest.mark.parametrize("head", [b"HTTP/1.1 204 No\r\n\r\n", b"HTTP/1.1 304 No\r\n\r\n"])
def test_some_answers_have_no_body(head: bytes) -> None:
    assert answer(head)[2] == b""
    assert answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "HEAD")[2] == b""


def test_informational_answers_are_skipped() -> None:
    data = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    assert answer(data)[1:] == (200, b"x")


def test_after_an_upgrade_the_rest_belongs_to_the_caller() -> None:
    connection = Connection(FakeStream(b"HTTP/1.1 101 UPGRADED\r\n\r\nearly", step=100))
    assert connection.response(method="POST").status == 101
    assert connection.take() == b"early"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "EOF"),
        (b"HTTP/1.1 200", "unexpected EOF"),
        (b"\x15\x03\x01", "malformed HTTP response"),
        (b"HTTP/1.1 abc\r\n\r\n", "malformed HTTP response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "bad Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "unexpected EOF"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "chunked"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * (2 << 20), "headers exceeded"),
    ],
)
def test_broken_answers_are_errors(data: bytes, message: str) -> None:
    with pytest.raises(TransportError, match=message):
        answer(data, step=4096)


def test_pieces_are_sent_chunked() -> None:
    stream = FakeStream(b"")
    Connection(stream).request(b"HEAD", iter([b"abc", b"", b"d" * 17]))
    assert stream.sent == b"HEAD3\r\nabc\r\n11\r\n" + b"d" * 17 + b"\r\n0\r\n\r\n"


def test_an_answer_given_before_the_body_was_sent_is_read() -> None:
    stream = FakeStream(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
    connection = Connection(stream)

    def pieces() -> Iterator[bytes]:
        stream.refuses = True
        yield b"x"

    connection.request(b"", pieces())
    assert connection.response(method="POST").read() == b"no"
