"""json-file records: the same lines whatever the chunks, and Docker's pieces of long lines."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.logs.jsonlog import MAX_LINE, STDERR, STDOUT, JsonLogEncoder, Timestamps

TIME = b"2026-01-02T03:04:05.000000006Z"


def encoded(chunks: list[bytes], *, stream: int = STDOUT) -> list[dict[str, str]]:
    encoder = JsonLogEncoder()
    written = b"".join(encoder.feed(stream, chunk, TIME) for chunk in chunks)
    written += encoder.flush(stream, TIME)
    return [json.loads(line) for line in written.splitlines()]


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_chunk_boundaries_never_matter(data: bytes, cuts: list[int]) -> None:
    places = sorted(min(cut, len(data)) for cut in cuts)
    edges = [0, *places, len(data)]
    chunks = [data[a:b] for a, b in itertools.pairwise(edges)]
    assert encoded(chunks) == encoded([data])


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_what_goes_in_comes_out(text: str) -> None:
    assert "".join(record["log"] for record in encoded([text.encode()])) == text


@pytest.mark.parametrize("data", [b"a\x7fb\n", b"~`^|@\x7f all marks\n", b'"quoted\\"\n', b"\0\n"])
def test_bytes_that_look_like_marks_survive(data: bytes) -> None:
    assert encoded([data])[0]["log"] == data.decode()


def test_bytes_that_are_no_utf8_are_replaced_one_by_one() -> None:
    assert encoded([b"a\xff\xfeb\n"])[0]["log"] == "a\ufffd\ufffdb\n"


def test_a_long_line_is_cut_into_pieces_without_newline() -> None:
    records = encoded([b"x" * (2 * MAX_LINE + 5) + b"\nshort\n"])
    assert [len(record["log"]) for record in records] == [MAX_LINE, MAX_LINE, 6, 6]
    assert [record["log"].endswith("\n") for record in records] == [False, False, True, True]


def test_a_piece_never_ends_inside_a_character() -> None:
    text = "é" * MAX_LINE
    assert "".join(record["log"] for record in encoded([text.encode()])) == text


def test_streams_do_not_mix_their_unfinished_lines() -> None:
    encoder = JsonLogEncoder({"k": "v"})
    assert encoder.feed(STDOUT, b"out", TIME) == b""
    line = encoder.feed(STDERR, b"err\n", TIME)
    assert json.loads(line) == {
        "log": "err\n",
        "stream": "stderr",
        "attrs": {"k": "v"},
        "time": TIME.decode(),
    }
    assert encoder.pending(STDOUT) == b"out"


def test_times_have_nine_digits() -> None:
    stamps = Timestamps()
    assert stamps.format(1_000_000_007) == b"1970-01-01T00:00:01.000000007Z"
    assert stamps.format(1_999_999_999) == b"1970-01-01T00:00:01.999999999Z"
