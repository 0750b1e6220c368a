"""Detach keys in typed input."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wharfie.supervisor.streams.detach import DetachKeys


def test_a_sequence_may_come_in_pieces() -> None:
    keys = DetachKeys(b"\x10\x11")
    assert keys.feed(b"ls\x10") == (b"ls", False)
    assert keys.feed(b"\x11rest") == (b"", True)


def test_a_beginning_that_fails_is_passed_on() -> None:
    keys = DetachKeys(b"aab")
    assert keys.feed(b"aa") == (b"", False)
    assert keys.feed(b"ac") == (b"aaac", False)
    assert keys.flush() == b""


def test_what_is_held_back_comes_out_at_the_end() -> None:
    keys = DetachKeys(b"ab")
    assert keys.feed(b"xa") == (b"x", False)
    assert keys.flush() == b"a"


@given(st.lists(st.binary(max_size=8), max_size=8))
def test_input_without_the_sequence_is_never_changed(chunks: list[bytes]) -> None:
    keys = DetachKeys(b"\x10\x11\x10")
    data = b"".join(chunks)
    passed, detached = b"", False
    for chunk in chunks:
        piece, detached = keys.feed(chunk)
        passed += piece
        if detached:
            break
    at = data.find(b"\x10\x11\x10")
    assert detached is (at >= 0)
    assert passed + (b"" if detached else keys.flush()) == (data[:at] if at >= 0 else data)
