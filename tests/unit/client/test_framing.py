from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.client.errors import ClientError
from wharfie.client.framing import Demultiplexer


def frame(stream: int, payload: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=20))), st.integers(1, 40))
def test_chunk_boundaries_do_not_matter(frames: list[tuple[int, bytes]], step: int) -> None:
    data = b"".join(frame(*item) for item in frames)
    demultiplexer = Demultiplexer()
    found: dict[int, bytes] = {}
    for start in range(0, len(data), step):
        for stream, piece in demultiplexer.feed(data[start : start + step]):
            found[stream] = found.get(stream, b"") + piece
    wanted: dict[int, bytes] = {}
    for stream, payload in frames:
        if payload:
            wanted[stream] = wanted.get(stream, b"") + payload
    assert found == wanted


def test_an_unknown_stream_is_an_error() -> None:
    with pytest.raises(ClientError, match="Unrecognized input header: 79"):
        list(Demultiplexer().feed(b"OCI runtime error"))
