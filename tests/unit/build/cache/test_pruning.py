"""Which entries of the build cache go."""

import pytest

from wharfie.build.cache.pruning import choose
from wharfie.model.build.solver import CacheRecord, PruneRequest
from wharfie.model.errors import InvalidArgument

NOW = 1_800_000_000.0


def at(seconds: int) -> str:
    return f"2027-01-15T08:00:{seconds:02d}Z"  # NOW is 2027-01-15T08:00:00Z


OLD = CacheRecord(id="aa1", description="RUN old", size=100, created=at(1), used=at(1))
MIDDLE = CacheRecord(id="ab2", parents=["aa1"], size=10, created=at(2), used=at(5), shared=True)
USED = CacheRecord(id="ac3", parents=["ab2"], size=1, created=at(3), used=at(2), in_use=True)
NEW = CacheRecord(id="bd4", kind="exec.cachemount", size=1000, created=at(4), used=at(9))
ALL = [NEW, OLD, USED, MIDDLE]


def chosen(request: PruneRequest, *, now: float = NOW + 60, free: int = 0) -> str:
    return " ".join(record.id for record in choose(ALL, request, now=now, free=free))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (PruneRequest(), "aa1 bd4"),
        (PruneRequest(all=True), "aa1 ab2 bd4"),
        (PruneRequest(all=True, reserved=1011), "aa1"),
        (PruneRequest(all=True, reserved=1001), "aa1 ab2"),
        (PruneRequest(all=True, maximum=5000), ""),
        (PruneRequest(all=True, maximum=1011, reserved=500), "aa1"),
        (PruneRequest(all=True, maximum=10, reserved=1011), "aa1"),
        (PruneRequest(all=True, minimum_free=50), "aa1"),
        (PruneRequest(all=True, minimum_free=101), "aa1 ab2"),
        (PruneRequest(filters={"id": ["a"]}), "aa1"),
        (PruneRequest(all=True, filters={"parent": ["aa1"]}), "ab2"),
        (PruneRequest(all=True, filters={"type": ["exec.cachemount"]}), "bd4"),
        (PruneRequest(all=True, filters={"description": ["old"]}), "aa1"),
        (PruneRequest(all=True, filters={"shared": ["true"]}), "ab2"),
        (PruneRequest(all=True, filters={"private": ["1"]}), "aa1 bd4"),
        (PruneRequest(all=True, filters={"inuse": ["true"]}), ""),
        (PruneRequest(all=True, filters={"until": ["56s"]}), "aa1"),
        (PruneRequest(all=True, filters={"until": [at(5)]}), "aa1 ab2"),
        (PruneRequest(all=True, filters={"until": ["1h"]}), ""),
    ],
)
def test_the_least_lately_used_go_as_far_as_asked_for(
    request_: PruneRequest, expected: str
) -> None:
    assert chosen(request_) == expected


def test_room_enough_is_left_alone() -> None:
    assert chosen(PruneRequest(all=True, minimum_free=50), free=50) == ""


def test_of_equally_used_ones_the_younger_goes_first() -> None:
    both = [
        CacheRecord(id="base", created=at(1), used=at(9), size=1),
        CacheRecord(id="top", created=at(2), used=at(9), size=1),
    ]
    (first,) = choose(both, PruneRequest(all=True, reserved=1), now=NOW, free=0)
    assert first.id == "top"


@pytest.mark.parametrize(
    "filters", [{"nosuch": ["1"]}, {"until": ["soon"]}, {"shared": ["perhaps"]}]
)
def test_a_filter_that_means_nothing_is_refused(filters: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidArgument):
        chosen(PruneRequest(filters=filters))
