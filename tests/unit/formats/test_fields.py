from __future__ import annotations

from wharfie.formats.fields import split_fields


def test_quoted_fields_keep_their_commas() -> None:
    assert split_fields('a,"b,c",d') == ["a", "b,c", "d"]
    assert split_fields('"a""b"') == ['a"b']
    assert split_fields("") == [""]
