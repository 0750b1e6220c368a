"""Frames: whatever the chunk boundaries, and nothing malformed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.session import frames
from wharfie.formats.session.frames import Decoder, FrameError, encode

FRAMES = st.lists(
    st.tuples(
        st.sampled_from(sorted(frames.KINDS)),
        st.integers(0, 65535),
        st.binary(max_size=300),
    ),
    max_size=8,
)


@given(FRAMES, st.integers(1, 40))
def test_any_chunking_gives_the_same_frames(sent: list[tuple[int, int, bytes]], size: int) -> None:
    data = b"".join(encode(*one) for one in sent)
    decoder = Decoder()
    got = [
        (frame.kind, frame.channel, frame.payload)
        for start in range(0, len(data), size)
        for frame in decoder.feed(data[start : start + size])
    ]
    assert got == sent


@pytest.mark.parametrize("head", [b"\xff\xff\xff\xff\x01\0\0", b"\0\0\0\0\x09\0\0"])
def test_malformed_frames_are_refused(head: bytes) -> None:
    with pytest.raises(FrameError):
        list(Decoder().feed(head))


def test_too_large_payloads_are_not_spelled() -> None:
    with pytest.raises(ValueError, match="262144"):
        encode(frames.DATA, 1, bytes(frames.MAX_PAYLOAD + 1))
