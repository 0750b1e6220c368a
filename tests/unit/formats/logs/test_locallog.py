"""Records of the local driver: written, found from either end, decoded."""

from __future__ import annotations

from collections.abc import Sequence

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


@pytest.mark.parametrize("attributes", [{}, {"tag": "web"}])
@pytest.mark.parametrize("sizes", [[99], [0, 1, 126, 127, 128, 129, 300, 16000], range(20, 200, 7)])
def test_many_lines_of_one_time_are_read_as_one_by_one(
    sizes: Sequence[int], attributes: dict[str, str]
) -> None:
    encoder = LocalLogEncoder(attributes, lambda: "id")
    pieces, wanted = [], []
    for number, count in enumerate((3000, 1, 2, 900, 65, 1500)):
        lines = [b"y" * sizes[line % len(sizes)] for line in range(count)]
        text = b"".join(line + b"\n" for line in lines)
        pieces.append(encoder.feed(1 + number % 2, text, 10**18 + number))
        wanted += [(1 + number % 2, line) for line in lines]
    data = b"".join(pieces)
    for cut in (len(data), len(data) - 3):
        runs, end = decode_runs(data[:cut])
        found = [(run.stream, line) for run in runs for line in run.lines]
        count = len(wanted) if cut == len(data) else len(wanted) - 1
        assert found == wanted[:count]
        assert end == cut or cut < len(data)


def test_lines_that_look_like_what_stands_before_lines_are_read_right() -> None:
    encoder = LocalLogEncoder({}, lambda: "id")
    plain = encoder.feed(1, b"a\n", 10**18)
    head = plain[4 : plain.index(b"\x1a") + 1]
    odd = [b"b" + head[1:] + b"c", head[1:] + b"\x01x"] * 3  # its first byte is a newline
    lines = [b"a" * 50] * 200 + odd + [b"d" * 50] * 200
    data = encoder.feed(1, b"".join(line + b"\n" for line in lines), 10**18)
    runs, end = decode_runs(data)
    assert [line for run in runs for line in run.lines] == lines
    assert end == len(data)


def test_damage_behind_many_lines_ends_them() -> None:
    encoder = LocalLogEncoder({}, lambda: "id")
    data = bytearray(encoder.feed(1, (b"z" * 60 + b"\n") * 500, 10**18))
    record = len(data) // 500
    data[400 * record + 2] ^= 1  # in the length before the 401st
    runs, end = decode_runs(bytes(data))
    assert [line for run in runs for line in run.lines] == [b"z" * 60] * 400
    assert end == len(data)
