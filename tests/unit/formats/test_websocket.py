import pytest

from support.websockets import ACCEPTED, BINARY, CLOSE, KEY, PING, client_frame
from wharfie.formats.websocket import Decoder, FormatError, Opcode, Piece, accept_key, encode


def test_the_answer_to_a_key_is_that_of_the_standard() -> None:
    # The example of RFC 6455, section 1.3.
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert accept_key(KEY) == ACCEPTED


@pytest.mark.parametrize("key", ["", "short", "dGhlIHNhbXBsZSBub25jZ!==", "ä"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(FormatError):
        accept_key(key)


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x82\x00"),
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\x00\x7e"),
        (65535, b"\x82\x7e\xff\xff"),
        (65536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_lengths_take_the_shortest_form(size: int, head: bytes) -> None:
    assert encode(Opcode.BINARY, bytes(size)) == head + bytes(size)


def test_control_frames_come_whole_between_the_parts_of_a_message() -> None:
    data = client_frame(0x02, b"one") + client_frame(PING, b"p") + client_frame(0x80, b"two")
    assert list(Decoder().feed(data + client_frame(CLOSE, b"\x03\xe8"))) == [
        Piece(Opcode.BINARY, b"one"),
        Piece(Opcode.PING, b"p"),
        Piece(Opcode.CONTINUATION, b"two"),
        Piece(Opcode.CLOSE, b"\x03\xe8"),
    ]


def test_an_empty_message_brings_nothing_and_hides_nothing() -> None:
    data = client_frame(BINARY, b"") + client_frame(BINARY, b"x") + client_frame(PING, b"")
    assert list(Decoder().feed(data)) == [Piece(Opcode.BINARY, b"x"), Piece(Opcode.PING, b"")]


@pytest.mark.parametrize(
    "data",
    [
        b"\x82\x01x",  # not masked
        client_frame(0xC2, b"x"),  # a reserved bit
        client_frame(0x83, b"x"),  # no such opcode
        client_frame(0x80, b"x"),  # nothing to continue
        client_frame(0x02, b"x") + client_frame(BINARY, b"y"),  # a message inside another
        client_frame(0x09, b"x"),  # a control frame in parts
        client_frame(PING, bytes(126)),  # a long one
        b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff" + bytes(4),  # a negative length
    ],
)
def test_what_no_client_may_send_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        list(Decoder().feed(data))
