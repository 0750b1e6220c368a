"""Output cut into lines: chunk boundaries do not matter, long lines come in counted pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.logs.lines import MAX_LINE, Lines, Partial, Record


def cut(chunks: list[bytes]) -> list[Record]:
    lines = Lines(lambda: "id")
    records = [r for at, chunk in enumerate(chunks) for r in lines.feed(1, chunk, at + 1)]
    return [*records, *lines.flush(1)]


def whole(records: list[Record]) -> bytes:
    return b"".join(r.line + (b"\n" if r.is_whole else b"") for r in records)


@given(st.lists(st.sampled_from([b"a", b"\n", b"bc\nd", b"x" * 9000, b"y" * MAX_LINE]), max_size=9))
def test_nothing_is_lost_and_boundaries_do_not_matter(chunks: list[bytes]) -> None:
    text = b"".join(chunks)
    records = cut(chunks)
    assert whole(records) == text
    assert [(r.line, r.partial) for r in records] == [(r.line, r.partial) for r in cut([text])]
    assert all(len(r.line) <= MAX_LINE for r in records)


def test_pieces_of_a_long_line_share_id_and_time_and_are_counted() -> None:
    records = cut([b"x" * MAX_LINE, b"y" * MAX_LINE + b"z", b"!\nnext\n"])
    assert [r.partial for r in records] == [
        Partial("id", 1, last=False),
        Partial("id", 2, last=False),
        Partial("id", 3, last=True),
        None,
    ]
    assert [r.time for r in records] == [1, 1, 1, 3]
    assert records[2].line == b"z!"


def test_a_line_of_just_the_limit_ends_in_an_empty_piece() -> None:
    records = cut([b"x" * MAX_LINE + b"\n"])
    assert [(len(r.line), r.is_whole) for r in records] == [(MAX_LINE, False), (0, True)]


def test_streams_are_apart_and_an_open_last_line_is_a_piece() -> None:
    lines = Lines(lambda: "id")
    assert list(lines.feed(1, b"out", 1)) == []
    assert list(lines.feed(2, b"err\n", 2)) == [Record(2, 2, b"err")]
    assert lines.pending(1) == b"out"
    assert list(lines.flush(1)) == [Record(1, 1, b"out", Partial("id", 1, last=False))]
    assert list(lines.flush(2)) == []
