from hypothesis import given
from hypothesis import strategies as st

from support.websockets import BINARY, PING, client_frame
from wharfie.formats.websocket import Decoder, FormatError, Opcode

frames = st.lists(
    st.tuples(st.sampled_from([BINARY, PING]), st.binary(max_size=40), st.binary(min_size=4)),
    max_size=8,
)


@given(wanted=frames, cuts=st.lists(st.integers(0, 400), max_size=10))
def test_payload_survives_any_cut(wanted, cuts):
    data = b"".join(client_frame(first, payload, key[:4]) for first, payload, key in wanted)
    at = sorted({min(cut, len(data)) for cut in cuts})
    decoder = Decoder()
    got = []
    for start, end in zip([0, *at], [*at, len(data)], strict=True):
        got.extend(decoder.feed(data[start:end]))
    message = b"".join(piece.payload for piece in got if piece.opcode is Opcode.BINARY)
    assert message == b"".join(payload for first, payload, _ in wanted if first == BINARY)
    pings = [piece.payload for piece in got if piece.opcode is Opcode.PING]
    assert pings == [payload for first, payload, _ in wanted if first == PING]


@given(data=st.binary(max_size=100))
def test_garbage_never_crashes(data):
    try:
        assert sum(len(piece.payload) for piece in Decoder().feed(data)) <= len(data)
    except FormatError:
        return
