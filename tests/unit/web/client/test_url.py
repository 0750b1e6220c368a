"""URLs: what is followed, and what never is."""

from __future__ import annotations

import pytest

from wharfie.web.client.url import InvalidUrl, Url, parse_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.b", Url("https", "a.b", 443, "/")),
        ("http://A.b:5000/x?y=z", Url("http", "a.b", 5000, "/x?y=z")),
        ("http://[::1]:80/", Url("http", "::1", 80, "/")),
    ],
)
def test_parts(text: str, expected: Url) -> None:
    assert parse_url(text) == expected
    assert parse_url(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "/x", "ftp://a/", "file:///etc/passwd", "http://", "http://u:p@a/", "http://a:0/",
        "http://a:99999/", "http://a b/", "http://a/\u00e4", "http://a/x y", "http://a\r\nX: y/",
        "javascript:alert(1)",
    ],
)  # fmt: skip
def test_what_is_not_followed(text: str) -> None:
    with pytest.raises(InvalidUrl):
        parse_url(text)


def test_locations_are_relative_to_where_they_came_from() -> None:
    url = parse_url("https://r:5000/v2/x/blobs/uploads/")
    assert str(url.joined("/v2/y?z=1")) == "https://r:5000/v2/y?z=1"
    assert str(url.joined("abc")) == "https://r:5000/v2/x/blobs/uploads/abc"
    assert str(url.joined("//other/x")) == "https://other/x"
    assert url.joined("http://r:5000/").origin != url.origin
