from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharfie.cli.detach import DEFAULT, Scanner, parse_keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("ctrl-p,ctrl-q", DEFAULT),
        ("a,ctrl-a", b"a\x01"),
        ("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\x00\x1b\x1c\x1d\x1e\x1f"),
    ],
)
def test_keys_are_read(text: str, keys: bytes) -> None:
    assert parse_keys(text) == keys


@pytest.mark.parametrize("text", ["", "foo", "ctrl-", "ctrl-A", "ctrl-1", "a,,b"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Unknown character"):
        parse_keys(text)


def test_keys_that_only_began_the_sequence_are_passed_on() -> None:
    scanner = Scanner(DEFAULT)
    assert scanner.feed(b"a\x10") == (b"a", False)
    assert scanner.feed(b"b") == (b"\x10b", False)
    assert scanner.feed(b"\x10\x10") == (b"\x10", False)
    assert scanner.feed(b"\x11rest") == (b"", True)


@given(st.binary(max_size=30), st.integers(1, 5))
def test_chunk_boundaries_do_not_matter(data: bytes, step: int) -> None:
    whole, found = Scanner(DEFAULT).feed(data)
    scanner, out = Scanner(DEFAULT), b""
    for start in range(0, len(data), step):
        part, ended = scanner.feed(data[start : start + step])
        out += part
        if ended:
            break
    else:
        ended = False
    assert (out, ended) == (whole, found)
    if DEFAULT in data:
        assert found
        assert out == data[: data.index(DEFAULT)]
