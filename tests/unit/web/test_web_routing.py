import pytest

from wharfie.web import Router, split_version


@pytest.fixture
def router():
    router = Router()
    for method, pattern in (
        ("GET", "/images/json"),
        ("GET", "/images/{name:.*}/json"),
        ("GET", "/images/{name:.*}/history"),
        ("DELETE", "/images/{name:.*}"),
        ("GET", "/exec/{id}/json"),
    ):
        router.add(method, pattern, pattern)
    return router


def test_plain_patterns_win_over_named_ones(router):
    assert router.find("GET", "/images/json") == ("/images/json", {})


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/images/busybox/json", "busybox"),
        ("/images/localhost:5000/a/b:1/json", "localhost:5000/a/b:1"),
        ("/images/a/json/json", "a/json"),
        ("/images/a%2Fb/json", "a/b"),
        ("/images//x/json", "/x"),
        ("/images/a%0Ab/json", "a\nb"),
    ],
)
def test_names_hold_slashes_and_match_longest(router, path, name):
    assert router.find("GET", path) == ("/images/{name:.*}/json", {"name": name})


def test_encoded_slashes_never_choose_the_route(router):
    match = router.find("GET", "/exec/a%2Fjson/json")
    assert match.names == {"id": "a/json"}
    assert router.find("GET", "/exec/a/b/json") is None


def test_unknown_methods_and_paths_are_not_found(router):
    assert router.find("PUT", "/images/json") is None
    assert router.find("GET", "/images") is None


def test_a_plain_route_cannot_be_added_twice(router):
    with pytest.raises(ValueError, match="twice"):
        router.add("GET", "/images/json", "x")


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/v1.51/info", ("1.51", "/info")),
        ("/info", ("", "/info")),
        ("/v1.51", ("", "/v1.51")),
        ("/volumes/v1.2", ("", "/volumes/v1.2")),
        ("/v/info", ("", "/v/info")),
        ("/v1.2.3/x", ("1.2.3", "/x")),
    ],
)
def test_split_version(path, parts):
    assert split_version(path) == parts
