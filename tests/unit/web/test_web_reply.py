import pytest

from wharfie.web import Hijack, Response, Stream, encode_fields
from wharfie.web.reply import hijack_head, response_head, stream_head


async def nothing():
    yield b""


async def take(fd, head):
    pass


def test_response_heads_announce_their_length():
    head = response_head(Response(200, b"abc", "text/plain"), date=b"Date: d\r\n", close=False)
    assert head == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: d\r\nContent-Length: 3\r\n\r\n"
    )


@pytest.mark.parametrize("status", [204, 304])
def test_bodiless_answers_have_no_length(status):
    assert b"Content-Length" not in response_head(Response(status), date=b"", close=False)


def test_streams_are_chunked_or_end_with_the_connection():
    stream = Stream(nothing())
    assert b"Transfer-Encoding: chunked" in stream_head(stream, date=b"", chunked=True, close=False)
    assert b"Connection: close" in stream_head(stream, date=b"", chunked=False, close=False)


def test_hijack_heads_follow_the_request():
    reply = Hijack(take, "application/vnd.docker.raw-stream")
    assert hijack_head(reply, upgrade=True) == (
        b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
        b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    )
    assert hijack_head(reply, upgrade=False) == (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"
    )


def test_fields_cannot_smuggle_lines():
    with pytest.raises(ValueError, match="line break"):
        encode_fields(("X", "a\r\nY: b"))
