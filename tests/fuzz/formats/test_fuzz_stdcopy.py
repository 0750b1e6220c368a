import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.stdcopy import Decoder, FormatError, Frame, encode, header

frames = st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=40)), max_size=8)


@given(wanted=frames, cuts=st.lists(st.integers(0, 400), max_size=10))
def test_frames_survive_any_cut(wanted, cuts):
    data = b"".join(encode(stream, payload) for stream, payload in wanted)
    at = sorted({min(cut, len(data)) for cut in cuts})
    decoder = Decoder()
    got = []
    for start, end in zip([0, *at], [*at, len(data)], strict=True):
        got.extend(decoder.feed(data[start:end]))
    assert got == [Frame(*frame) for frame in wanted]
    assert decoder.pending == 0


@given(data=st.binary(max_size=100))
def test_garbage_never_crashes(data):
    decoder = Decoder(max_payload=50)
    try:
        got = list(decoder.feed(data))
    except FormatError:
        return
    assert sum(8 + len(frame.payload) for frame in got) + decoder.pending == len(data)


def test_the_header_is_dockers():
    assert encode(2, b"abc") == b"\x02\x00\x00\x00\x00\x00\x00\x03abc"
    assert header(1, 256) == b"\x01\x00\x00\x00\x00\x00\x01\x00"


def test_a_cut_stream_is_seen():
    decoder = Decoder()
    assert list(decoder.feed(encode(1, b"abc")[:-1])) == []
    assert decoder.pending == 10


@pytest.mark.parametrize("data", [b"\x04\0\0\0\0\0\0\0", b"\x01\0\0\0\xff\xff\xff\xff"])
def test_what_is_no_frame_is_refused(data):
    with pytest.raises(FormatError):
        list(Decoder().feed(data))
