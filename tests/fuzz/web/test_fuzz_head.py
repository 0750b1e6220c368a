"""Heads of requests from strangers: read, or refused, and never anything else."""

from hypothesis import given
from hypothesis import strategies as st

from wharfie.web.errors import HttpError
from wharfie.web.head import Head, HeadParser
from wharfie.web.origins import OriginPolicy

LINES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [
                b"Host: h",
                b"Host: h, g",
                b"Content-Length: 5",
                b"Content-Length: +5",
                b"Transfer-Encoding: chunked",
                b"Transfer-Encoding: \x0bchunked",
                b"Connection: Upgrade, close",
                b"Upgrade: tcp",
                b"Expect: 100-continue",
                b" folded",
                b": empty",
            ]
        ),
    ),
    max_size=8,
)
STARTS = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"GET / HTTP/1.1", b"POST /x?y HTTP/1.0", b"GET http://h/ HTTP/1.1", b"OPTIONS * HTTP/1.1"]
    ),
)


def read(data: bytes) -> Head | None:
    try:
        return HeadParser().parse(data)
    except HttpError:
        return None


@given(start=STARTS, lines=LINES, end=st.sampled_from([b"\r\n", b"\n"]))
def test_any_head_is_read_or_refused(start: bytes, lines: list[bytes], end: bytes) -> None:
    head = read(end.join([start, *lines, b"", b""]))
    if head is None:
        return
    assert head.path.startswith("/") or head.path == "*"
    assert head.length is None or head.length >= 0
    # A head that says both lengths has two readings.
    assert not {"transfer-encoding", "content-length"} <= set(head.headers)
    assert "," not in head.headers.get("host", "")


@given(start=STARTS, lines=LINES)
def test_what_was_parsed_before_does_not_matter(start: bytes, lines: list[bytes]) -> None:
    data = b"\r\n".join([start, *lines, b"", b""])
    used = HeadParser()
    used.parse(b"GET /before HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n")
    try:
        after = used.parse(data)
    except HttpError:
        after = None
    assert after == read(data)


@given(
    fields=st.dictionaries(
        st.sampled_from(["host", "origin", "referer", "sec-fetch-site", "user-agent"]), st.text()
    ),
    transport=st.sampled_from(["tcp", "tls", "unix"]),
    lenient=st.booleans(),
)
def test_any_origin_is_judged(fields: dict[str, str], transport: str, lenient: bool) -> None:
    reason = OriginPolicy(is_lenient=lenient).refusal(fields, transport)
    assert transport != "unix" or not reason
