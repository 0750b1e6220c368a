"""What was asked a moment ago: for a while, in bounded memory, by one asker at a time."""

from __future__ import annotations

import asyncio

import pytest

from wharfie.registry.cache import freshness
from wharfie.registry.cache.freshness import Freshness


def test_answers_grow_old_and_are_remembered_all_the_same() -> None:
    now = [0.0]
    found = Freshness(lambda: now[0])
    assert not found.is_fresh(("a",), 10)
    found.confirm(("a",))
    now[0] = 9.9
    assert found.is_fresh(("a",), 10)
    now[0] = 10
    assert not found.is_fresh(("a",), 10)
    assert found.was_ever(("a",))
    found.forget(("a",))
    assert not found.was_ever(("a",))


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "_MOST", 10)
    found = Freshness(lambda: 0.0)
    for number in range(100):
        found.confirm((str(number),))
    assert not found.was_ever(("89",))
    assert found.was_ever(("90",))


async def test_one_asks_at_a_time() -> None:
    found = Freshness(lambda: 0.0)
    asked = 0

    async def ask() -> None:
        nonlocal asked
        async with found.turn(("a",)):
            if not found.is_fresh(("a",), 1):
                asked += 1
                await asyncio.sleep(0)
                found.confirm(("a",))

    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(ask())
    assert asked == 1
