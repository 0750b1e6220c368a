from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.web.errors import HttpError
from wharfie.web.framing import ChunkedFraming, LengthFraming


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({min(cut, len(data)) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


def run(framing, parts):
    body, behind = b"", b""
    for part in parts:
        if framing.is_complete:
            behind += part
            continue
        pieces, rest = framing.feed(part)
        body += b"".join(pieces)
        behind += rest
    return body, behind


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=50), max_size=8),
    behind=st.binary(max_size=30),
    cuts=st.lists(st.integers(0, 600), max_size=12),
    extension=st.sampled_from([b"", b";a=b", b" ;x"]),
    trailer=st.sampled_from([b"", b"Checksum: 1\r\n"]),
)
def test_chunked_bodies_survive_any_cut(chunks, behind, cuts, extension, trailer):
    data = b"".join(b"%x%b\r\n%b\r\n" % (len(c), extension, c) for c in chunks)
    data += b"0\r\n" + trailer + b"\r\n" + behind
    framing = ChunkedFraming()
    assert run(framing, pieces_of(data, cuts)) == (b"".join(chunks), behind)
    assert framing.is_complete


@given(
    body=st.binary(min_size=1, max_size=100),
    behind=st.binary(max_size=30),
    cuts=st.lists(st.integers(0, 130), max_size=6),
)
def test_bodies_of_known_length_survive_any_cut(body, behind, cuts):
    framing = LengthFraming(len(body))
    assert run(framing, pieces_of(body + behind, cuts)) == (body, behind)
    assert framing.is_complete


@given(data=st.binary(max_size=200))
def test_garbage_is_refused_or_waited_for_but_never_crashes(data):
    framing = ChunkedFraming()
    with suppress(HttpError):
        pieces, rest = framing.feed(data)
        assert sum(map(len, pieces)) + len(rest) <= len(data)


@pytest.mark.parametrize(
    "data", [b"x\r\n", b"\r\n", b"-1\r\n", b"0x1\r\n", b"1\nab", b"1\r\nab\r\n", b"1" * 5000]
)
def test_malformed_chunks_are_refused(data):
    with pytest.raises(HttpError):
        ChunkedFraming().feed(data)
