"""Names of containers."""

from __future__ import annotations

import re

import pytest

from wharfie.engine.containers.create.names import check_name, make_up_name
from wharfie.model.errors import InvalidArgument


@pytest.mark.parametrize("name", ["ab", "/web", "a.b-c_d", "0x"])
def test_allowed_names_lose_their_slash(name: str) -> None:
    assert check_name(name) == name.lstrip("/")


@pytest.mark.parametrize("name", ["", "a", "/a", "-ab", "a b", "ä1", "a/b", "//ab", "ab\n"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="Invalid container name"):
        check_name(name)


def test_a_made_up_name_is_valid_and_free() -> None:
    name = make_up_name(lambda _: False, "fallback")
    assert re.fullmatch(r"[a-z]+_[a-z]+", name)
    assert make_up_name(lambda _: True, "fallback") == "fallback"
