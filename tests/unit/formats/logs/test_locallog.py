"""Records of the local driver: written, found from either end, decoded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.logs.lines import Partial, Record
from wharfie.formats.logs.locallog import DamagedLog, LocalLogEncoder, decode, next_record
from wharfie.formats.logs.localread import decode_runs, tail_start

NOW = 1_767_225_600_123_456_789


def encoder() -> LocalLogEncoder:
    return LocalLogEncoder({"tag": "t", "a": "é"}, lambda: "abc")


def test_a_record_is_dockers_message_between_its_lengths() -> None:
    made = LocalLogEncoder({}, lambda: "abc").feed(1, b"hi\n", 5)
    body = b"\x0a\x06stdout" + b"\x10\x05" + b"\x1a\x02hi"
    assert made == b"\0\0\0\x0e" + body + b"\0\0\0\x0e"


def test_what_was_encoded_is_decoded() -> None:
    one = encoder()
    data = one.feed(2, b"first\n" + b"x" * 16390, NOW) + one.flush(2)
    records = []
    position = 0
    while position < len(data):
        end = next_record(data, position)
        records.append(decode(data[position + 4 : end - 4]))
        position = end
    attributes = {"tag": "t", "a": "é"}
    assert records == [
        (Record(2, NOW, b"first"), attributes),
        (Record(2, NOW, b"x" * 16384, Partial("abc", 1, last=False)), attributes),
        (Record(2, NOW, b"x" * 6, Partial("abc", 2, last=False)), attributes),
    ]


@given(st.lists(st.binary(max_size=300), max_size=8), st.binary(max_size=12))
def test_runs_hold_every_line_and_a_torn_end_is_left_alone(
    chunks: list[bytes], torn: bytes
) -> None:
    one = encoder()
    data = b"".join(one.feed(1, chunk, at) for at, chunk in enumerate(chunks)) + one.flush(1)
    assert decode_runs(data)[1] == len(data)
    text = b"".join(line + run.end for run in decode_runs(data)[0] for line in run.lines)
    assert text == b"".join(chunks)
    assert b"".join(
        line + r.end for r in decode_runs(data + torn)[0] for line in r.lines
    ).startswith(text)


def test_the_tail_is_found_from_the_end() -> None:
    data = LocalLogEncoder({}, str).feed(1, b"1\n22\n333\n", NOW)
    start, found = tail_start(data, 2)
    assert found == 2
    assert [run.lines for run in decode_runs(data[start:])[0]] == [[b"22", b"333"]]
    assert tail_start(data[20:], 9)[1] == 2
    with pytest.raises(DamagedLog):
        tail_start(data[:-1] + b"\x01" + b"\0\0\0\0", 1)


@given(st.binary(max_size=200))
def test_any_bytes_are_records_or_damage(data: bytes) -> None:
    decode_runs(data)
    try:
        decode(data)
    except DamagedLog:
        return
