"""Detach key sequences."""

from __future__ import annotations

import pytest

from wharfie.formats.detach_keys import DEFAULT, parse


@pytest.mark.parametrize(
    ("text", "keys"),
    [("", DEFAULT), ("ctrl-p,ctrl-q", b"\x10\x11"), ("a,b", b"ab"), ("ctrl-@,ctrl-_", b"\0\x1f"),
     ("ctrl-[,x", b"\x1bx")],
)  # fmt: skip
def test_sequences(text: str, keys: bytes) -> None:
    assert parse(text) == keys


@pytest.mark.parametrize("text", ["ctrl-", "ctrl-A", "ctrl-1", "ab", ",", "é"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid detach keys"):
        parse(text)
