"""Platforms in query strings."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from wharfie.api.platforms import platform, platforms
from wharfie.api.query import Query
from wharfie.formats.oci.descriptor import Platform
from wharfie.model.errors import InvalidArgument

ARM = '{"os":"linux","architecture":"arm64"}'
AMD = '{"os":"linux","architecture":"amd64","variant":"v2"}'


def query(*texts: str, name: str = "platform") -> Query:
    return Query("&".join(f"{name}={quote(text)}" for text in texts))


def test_none_means_any() -> None:
    assert platform(query()) is None
    assert platforms(query("")) == []


def test_several() -> None:
    arm = Platform(os="linux", architecture="arm64")
    assert platforms(query(ARM, AMD, name="platforms"), "platforms") == [
        arm,
        Platform(os="linux", architecture="amd64", variant="v2"),
    ]
    assert platform(query(ARM)) == arm
    with pytest.raises(InvalidArgument):
        platform(query(ARM, AMD))


@pytest.mark.parametrize("text", ["linux/arm64", "{}", '{"os":"linux"}', "[]", '{"os":7}', "{"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(InvalidArgument):
        platforms(query(text))


def test_not_endlessly_many() -> None:
    with pytest.raises(InvalidArgument):
        platforms(query(*[ARM] * 65))
