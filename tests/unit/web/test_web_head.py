import pytest

from wharfie.web.errors import HttpError
from wharfie.web.head import HeadParser


def parse(*lines: bytes):
    return HeadParser().parse(b"\r\n".join((*lines, b"", b"")))


def test_target_is_split_at_the_question_mark():
    head = parse(b"GET /a%2Fb?x=1&y=%20 HTTP/1.1", b"Host: h")
    assert (head.method, head.path, head.query) == ("GET", "/a%2Fb", "x=1&y=%20")


def test_one_parser_serves_many_heads():
    parser = HeadParser()
    for number in range(3):
        head = parser.parse(b"GET /%d HTTP/1.1\r\nHost: h\r\nX: %d\r\n\r\n" % (number, number))
        assert head.path == f"/{number}"
        assert head.headers == {"host": "h", "x": str(number)}


def test_an_upgrade_keeps_its_body_length():
    head = parse(
        b"POST /exec HTTP/1.1",
        b"Host: h",
        b"Connection: Upgrade",
        b"Upgrade: tcp",
        b"Content-Length: 5",
    )
    assert (head.upgrade, head.length) == ("tcp", 5)


def test_an_upgrade_field_without_the_connection_option_is_no_upgrade():
    assert parse(b"GET / HTTP/1.1", b"Host: h", b"Upgrade: h2c").upgrade == ""


def test_repeated_fields_are_joined():
    assert parse(b"GET / HTTP/1.1", b"Host: h", b"A: 1", b"a: 2").headers["a"] == "1, 2"


def test_absolute_targets_are_reduced_to_their_path():
    assert parse(b"GET http://docker/info?a HTTP/1.1", b"Host: docker").path == "/info"


def test_http_10_never_keeps_alive():
    assert not parse(b"GET / HTTP/1.0", b"Connection: keep-alive").keep_alive


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([b"GET / HTTP/1.1"], 400),
        ([b"GET / HTTP/2.0", b"Host: h"], 505),
        ([b"GET /"], 505),
        ([b"NONSENSE / HTTP/1.1", b"Host: h"], 400),
        ([b"GET / HTTP/1.1", b"Host : h"], 400),
        ([b"GET / HTTP/1.1", b"Host: h", b" folded"], 400),
        ([b"GET / HTTP/1.1", b"Host: a\0b"], 400),
        ([b"GET / HTTP/1.1", b"Host: h", b"Content-Length: 1", b"Content-Length: 2"], 400),
        ([b"GET / HTTP/1.1", b"Host: h", b"Content-Length: -1"], 400),
        ([b"POST / HTTP/1.1", b"Host: h", b"Content-Length: 99999999999999999999"], 400),
        (
            [b"POST / HTTP/1.1", b"Host: h", b"Content-Length: 1", b"Transfer-Encoding: chunked"],
            400,
        ),
        ([b"POST / HTTP/1.1", b"Host: h", b"Transfer-Encoding: gzip, chunked"], 501),
        ([b"POST / HTTP/1.0", b"Transfer-Encoding: chunked"], 400),
        ([b"GET / HTTP/1.1", b"Host: a", b"Host: b"], 400),
        ([b"GET / HTTP/1.1", b"Host: a b"], 400),
        ([b"GET / HTTP/1.1", b"Host: a@b"], 400),
        ([b"GET http://evil.test/ HTTP/1.1", b"Host: h"], 400),
        ([b"POST / HTTP/1.1", b"Host: h", b"Expect: miracles"], 417),
        ([b"GET ftp://x/ HTTP/1.1", b"Host: h"], 400),
        ([b"GET / HTTP/1.1", b"Host: h", *[b"A: b"] * 600], 431),
    ],
)
def test_bad_heads_are_refused(lines, status):
    with pytest.raises(HttpError) as caught:
        parse(*lines)
    assert caught.value.status == status
