"""Modes as chmod takes them."""

import pytest

from wharfie.formats.filemode import InvalidMode, parse_mode


@pytest.mark.parametrize(
    ("text", "mode", "wanted"),
    [
        ("0755", 0o644, 0o755),
        ("4755", 0o644, 0o4755),
        ("u+x", 0o644, 0o744),
        ("go-r", 0o644, 0o600),
        ("a=rX", 0o644, 0o444),
        ("a=rX", 0o744, 0o555),
        ("+x", 0o644, 0o755),
        ("u=rwx,g=u,o-r", 0o644, 0o770),
        ("u+s,+t", 0o755, 0o5755),
        ("o=", 0o777, 0o770),
    ],
)
def test_a_mode_becomes_what_chmod_makes_of_it(text: str, mode: int, wanted: int) -> None:
    assert oct(parse_mode(text)(mode, False)) == oct(wanted)


def test_x_means_all_directories() -> None:
    assert parse_mode("u=rwX,go=rX")(0o600, True) == 0o755


@pytest.mark.parametrize("text", ["", "89", "u", "u+q", "17777", "rwx", "u+x,"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidMode):
        parse_mode(text)
