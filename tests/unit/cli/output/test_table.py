from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wharfie.cli.output.table import tabulate


def test_columns_are_at_least_ten_wide_with_three_of_padding() -> None:
    text = tabulate("ID\tNAME\tX\nlonger-than-ten\tb\t\n")
    assert text == "ID                NAME      X\nlonger-than-ten   b         \n"


def test_a_line_with_fewer_cells_ends_a_column() -> None:
    text = tabulate("aaaaaaaaaaaaaaaaaa\tb\nno cell\nc\td\n")
    assert text == "aaaaaaaaaaaaaaaaaa   b\nno cell\nc         d\n"


def test_the_last_cell_is_never_padded() -> None:
    assert tabulate("a\tb\nc\tdddddddddddddddd\n") == "a         b\nc         dddddddddddddddd\n"


@given(st.lists(st.lists(st.text(alphabet="ab", max_size=14), min_size=1, max_size=4), max_size=5))
def test_no_cell_is_lost(rows: list[list[str]]) -> None:
    text = tabulate("".join("\t".join(row) + "\n" for row in rows))
    lines = text.split("\n")[:-1]
    assert [line.split() for line in lines] == [[c for c in row if c] for row in rows]
