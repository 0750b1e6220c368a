"""Paths of the distribution API."""

import pytest

from wharfie.registry.errors import Code, Refused
from wharfie.registry.server.target import Route, parse_target

D = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("path", "route", "repository", "word"),
    [
        ("/v2/", Route.BASE, "", ""),
        ("/v2", Route.BASE, "", ""),
        ("/v2/_catalog", Route.CATALOGUE, "", ""),
        ("/v2/a/manifests/latest", Route.MANIFESTS, "a", "latest"),
        (f"/v2/a/b/c/blobs/{D}", Route.BLOBS, "a/b/c", D),
        ("/v2/a/blobs/uploads/", Route.UPLOADS, "a", ""),
        ("/v2/a/blobs/uploads", Route.UPLOADS, "a", ""),
        ("/v2/a/blobs/uploads/x", Route.UPLOADS, "a", "x"),
        ("/v2/a/tags/list", Route.TAGS, "a", ""),
        (f"/v2/a/referrers/{D}", Route.REFERRERS, "a", D),
        ("/v2/a/referrers/sha256%3Aab", Route.REFERRERS, "a", "sha256:ab"),
        # Names may hold the words of the grammar.
        ("/v2/manifests/manifests/manifests", Route.MANIFESTS, "manifests", "manifests"),
        ("/v2/a/blobs/uploads/blobs/uploads/x", Route.UPLOADS, "a/blobs/uploads", "x"),
        ("/v2/tags/list/tags/list", Route.TAGS, "tags/list", ""),
        ("/v2/uploads/blobs/x", Route.BLOBS, "uploads", "x"),
    ],
)
def test_a_path_names_a_resource(path: str, route: Route, repository: str, word: str) -> None:
    found = parse_target(path)
    assert found is not None
    assert (found.route, found.repository, found.word) == (route, repository, word)


@pytest.mark.parametrize("path", ["/", "/v1/", "/v2/a", "/v2/a/what/x", "/v2/a/manifests/", "/v3/"])
def test_other_paths_name_nothing(path: str) -> None:
    assert parse_target(path) is None


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "a/../b",
        "a/..%2fb",
        "%2e%2e/%2e%2e/etc",
        "a//b",
        "A",
        "a/_uploads",
        "a%00b",
        "a\\b",
        "-a",
        "a_",
        "ä",
        "a" * 256,
        "a/" * 127 + "aa",
        "a%252f..",
        "",
    ],
)
def test_a_name_cannot_climb(name: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_target(f"/v2/{name}/manifests/latest")
    assert caught.value.code is Code.NAME_INVALID


@pytest.mark.parametrize("name", ["a", "a.b", "a__b", "a---b", "0/9", "a" * 255, "x/y/z/w"])
def test_an_honest_name_passes(name: str) -> None:
    found = parse_target(f"/v2/{name}/manifests/latest")
    assert found is not None
    assert found.repository == name
