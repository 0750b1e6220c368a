"""Counting and timing."""

import pytest

from wharfie.model.measures import Actions


def test_durations_fall_into_buckets_whose_bound_belongs_to_them() -> None:
    actions = Actions(("start",))
    for seconds in (0.001, 0.005, 0.0051, 3.0, 99.0):
        actions.add("start", seconds)
    counts, total = actions.read()["start"]
    assert counts == [2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]
    assert total == pytest.approx(102.0111)


def test_what_fails_does_not_count() -> None:
    actions = Actions(("allocate", "connect"))
    with pytest.raises(OSError, match="no"), actions.timed("allocate", "connect"):
        raise OSError("no")
    assert all(not any(counts) for counts, _ in actions.read().values())
    with actions.timed("allocate", "connect"):
        pass
    assert all(sum(counts) == 1 for counts, _ in actions.read().values())
