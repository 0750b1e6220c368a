"""What strangers put into paths and fields: understood or refused, never anything else."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from wharfie.registry.errors import Refused
from wharfie.registry.names import check_digest, check_tag, is_repository
from wharfie.registry.server.ranges import asked_range, chunk_range, is_fresh
from wharfie.registry.server.target import Route, parse_target
from wharfie.registry.storage import layout

WORDS = st.sampled_from(
    [
        *("a", "b0", "..", ".", "_", "%2e%2e", "%2f", "%00", "", "ä", "A", "a.b", "a__b", "-"),
        *("blobs", "uploads", "manifests", "tags", "list", "referrers", "_catalog"),
        "sha256:" + "0" * 64,
    ]
)
SEGMENTS = st.lists(WORDS | st.text(max_size=5), max_size=8)


@given(SEGMENTS)
def test_a_path_names_an_honest_resource_or_none(segments: list[str]) -> None:
    found = None
    with contextlib.suppress(Refused):
        found = parse_target("/v2/" + "/".join(segments))
    if found is None or found.route in (Route.BASE, Route.CATALOGUE):
        return
    assert is_repository(found.repository)
    parts = found.repository.split("/")
    assert all(part and part[0].isalnum() and ".." not in part for part in parts)


@given(st.text() | WORDS)
def test_what_becomes_a_key_stays_below_its_folder(text: str) -> None:
    for check, key in (
        (check_tag, lambda word: layout.tag_current("a", word)),
        (check_digest, layout.blob),
        (check_digest, lambda word: layout.layer("a", word)),
    ):
        with contextlib.suppress(Refused):
            parts = key(check(text)).split("/")
            assert not {"", ".", ".."} & set(parts)
            assert "\0" not in text


@given(st.text("bytes=0123456789-, ", max_size=30), st.integers(0, 1000))
def test_a_range_is_within_what_is_there(text: str, size: int) -> None:
    with contextlib.suppress(Refused):
        found = asked_range(text, size)
        assert found is None or 0 <= found[0] < found[1] <= size


@given(st.text("bytes=0123456789-/* ", max_size=30))
def test_a_chunk_is_in_order(text: str) -> None:
    with contextlib.suppress(Refused):
        found = chunk_range(text)
        assert found is None or 0 <= found[0] <= found[1]


@given(st.text(), st.text(min_size=1))
def test_conditions_are_answered(field: str, etag: str) -> None:
    assert is_fresh(field, etag) in (True, False)
    assert is_fresh(f'"other", W/"{etag}"', etag) or "," in etag or etag != etag.strip()
