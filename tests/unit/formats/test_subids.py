"""Ranges of subordinate IDs."""

from __future__ import annotations

from wharfie.formats.subids import IdRange, format_map, parse_subids

TEXT = """\
root:100000:65536
dockremap:165536:1000
# a comment
dockremap:300000:500
1000:400000:10
bad:line
dockremap:x:5
dockremap:5:0
dockremap:4294967290:100
"""


def test_lines_of_one_user_add_up_in_their_order() -> None:
    assert parse_subids(TEXT, "dockremap", None) == [
        IdRange(0, 165536, 1000),
        IdRange(1000, 300000, 500),
    ]
    assert parse_subids(TEXT, "somebody", 1000) == [IdRange(0, 400000, 10)]
    assert parse_subids(TEXT, "nobody", None) == []


def test_a_map_as_the_kernel_reads_it() -> None:
    assert format_map(parse_subids(TEXT, "dockremap", None)) == "0 165536 1000\n1000 300000 500\n"
