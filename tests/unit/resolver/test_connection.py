"""Relayed connections: SCTP's messages, by a socket that is none."""

from __future__ import annotations

import socket
import struct

import pytest

from wharfie.resolver.connection import IPPROTO_SCTP, MessageHalf, passed_on

ABOUT = struct.pack("=HHHHIIIIIi", 7, 3, 1 | 0x200, 0, 0x2E000000, 5, 9, 11, 13, 42)


class Side:
    """One end: what comes from it in order, and what was sent to it."""

    def __init__(self, *pieces: tuple[bytes, bool]) -> None:
        self.pieces = list(pieces)
        self.sent: list[tuple[bytes, list[tuple[int, int, bytes]]]] = []
        self.is_shut = False

    def recvmsg(self, size: int, space: int) -> tuple[bytes, list[object], int, None]:
        assert space >= socket.CMSG_SPACE(len(ABOUT))
        data, ends = self.pieces.pop(0)
        flags = socket.MSG_EOR if ends else 0
        return data[:size], [(IPPROTO_SCTP, 1, ABOUT)], flags, None

    def sendmsg(self, parts: list[bytes], about: list[tuple[int, int, bytes]]) -> int:
        self.sent.append((b"".join(parts), about))
        return len(parts[0])

    def shutdown(self, how: int) -> None:
        assert how == socket.SHUT_WR
        self.is_shut = True


def half(source: Side, sink: Side) -> MessageHalf:
    return MessageHalf(source, sink)  # type: ignore[arg-type] # ends that record


def test_a_message_in_pieces_is_passed_on_whole() -> None:
    source, sink = Side((b"one ", False), (b"message", True), (b"another", True)), Side()
    one = half(source, sink)
    one.read()
    one.write()
    assert sink.sent == []
    assert one.wants_input
    one.read()
    assert not one.wants_input
    one.write()
    one.read()
    one.write()
    assert [data for data, _ in sink.sent] == [b"one message", b"another"]


def test_stream_order_and_kind_go_with_it() -> None:
    source, sink = Side((b"x", True)), Side()
    one = half(source, sink)
    one.read()
    one.write()
    ((_, ((level, kind, told),)),) = sink.sent
    assert (level, kind) == (IPPROTO_SCTP, 1)
    assert told == passed_on(ABOUT) == struct.pack("=HHHHIIIIIi", 7, 0, 1, 0, 0x2E000000, *[0] * 5)


def test_the_end_is_passed_on() -> None:
    source, sink = Side((b"", True)), Side()
    one = half(source, sink)
    one.read()
    one.write()
    assert sink.is_shut
    assert one.shut


def test_a_message_without_end_is_not_kept() -> None:
    one = half(Side(*[(b"x" * 65536, False)] * 17), Side())
    for _ in range(16):
        one.read()
    with pytest.raises(OSError, match="too long"):
        one.read()
