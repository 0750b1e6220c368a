"""Signal names."""

from __future__ import annotations

import pytest

from wharfie.model.errors import InvalidArgument
from wharfie.model.signals import parse_signal


@pytest.mark.parametrize(
    ("text", "number"),
    [("TERM", 15), ("SIGTERM", 15), ("sigkill", 9), ("1", 1), ("RTMIN", 34), ("RTMIN+3", 37),
     ("SIGRTMAX-1", 63), ("WINCH", 28)],
)  # fmt: skip
def test_names_and_numbers(text: str, number: int) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize("text", ["", "0", "65", "NOPE", "SIG", "RTMIN+99", "-9", "_DFL", "9.0"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid signal"):
        parse_signal(text)
