"""JSON with places: values, positions, and errors in the words of Go's decoder."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.formats.located_json import JsonSyntaxError, Position, decode_located

# Measured on dockerd 28.5.2 with --validate; the place is ours.
GO = [
    ('{"debug": true,}', "invalid character '}' looking for beginning of object key string", 1, 16),
    ('{"debug": tru}', "invalid character '}' in literal true (expecting 'e')", 1, 14),
    ('{"debug": nul}', "invalid character '}' in literal null (expecting 'l')", 1, 14),
    ('{"debug": true} x', "invalid character 'x' after top-level value", 1, 17),
    ('{"debug": true', "unexpected end of JSON input", 1, 15),
    ('"x', "unexpected end of JSON input", 1, 3),
    ("{a}", "invalid character 'a' looking for beginning of object key string", 1, 2),
    ('{"debug" true}', "invalid character 't' after object key", 1, 10),
    ('{"a":true "x"}', "invalid character '\"' after object key:value pair", 1, 11),
    ("[1 2]", "invalid character '2' after array element", 1, 4),
    ('{"debug": 01}', "invalid character '1' after object key:value pair", 1, 12),
    ('{"debug": -}', "invalid character '}' in numeric literal", 1, 12),
    ('{"debug": 1.}', "invalid character '}' in numeric literal", 1, 13),
    ('{"debug":"\x01"}', "invalid character '\\x01' in string", 1, 11),
    ("{'debug': true}", "invalid character '\\'' looking for beginning of object key string", 1, 2),
    ('{"a": 1, // c\n}', "invalid character '/' looking for beginning of object key string", 1, 10),
    ('{"a":"\\x"}', "invalid character 'x' in string escape code", 1, 8),
    ('{"a":"\\u12x4"}', "invalid character 'x' in \\u hexadecimal character escape", 1, 11),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "line", "column"), GO)
def test_an_error_is_worded_as_in_go_and_placed(
    text: str, message: str, line: int, column: int
) -> None:
    with pytest.raises(JsonSyntaxError) as caught:
        decode_located(text)
    assert str(caught.value) == message
    assert caught.value.position == Position(line, column)


def test_every_value_has_its_place() -> None:
    found = decode_located('{"a": 1,\n  "b": {"c": [true,\n null]}}')
    assert found.value == {"a": 1, "b": {"c": [True, None]}}
    assert found.positions[("a",)] == Position(1, 7)
    assert found.positions[("b", "c")] == Position(2, 14)
    assert found.positions[("b", "c", "1")] == Position(3, 2)


def test_the_last_of_two_equal_keys_counts() -> None:
    found = decode_located('{"a": 1, "a": 2}')
    assert found.value == {"a": 2}
    assert found.positions[("a",)] == Position(1, 15)


def test_depth_is_bounded() -> None:
    with pytest.raises(JsonSyntaxError, match="exceeded max depth"):
        decode_located("[" * 100_000)


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert decode_located(r'"\ud800x"').value == "\ufffdx"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@given(VALUES, st.sampled_from([None, 1]))
def test_what_python_writes_is_read_back(value: object, indent: int | None) -> None:
    assert decode_located(json.dumps(value, indent=indent)).value == value


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn\\u \n', max_size=30))
def test_it_accepts_exactly_what_python_accepts(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(JsonSyntaxError):
            decode_located(text)
    else:
        assert repr(decode_located(text).value) == repr(expected)
