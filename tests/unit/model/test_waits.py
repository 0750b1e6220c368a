"""Waits: lists, locks that know their holder, bounds."""

from __future__ import annotations

import asyncio

import pytest

from wharfie.model.errors import Unavailable
from wharfie.model.waits import OwnedLock, WaitList, within


def test_a_list_knows_what_has_not_ended() -> None:
    waits = WaitList()
    first, _ = waits.begin("request", "one"), waits.begin("request", "two")
    waits.end(first)
    waits.end(first)
    assert [wait.what for wait in waits.waits()] == ["two"]


async def test_a_lock_knows_its_holder_and_who_waits() -> None:
    lock = OwnedLock()
    async with lock:
        task = asyncio.current_task()
        assert task is not None
        assert lock.holder == task.get_name()
        other = asyncio.ensure_future(lock.acquire())
        await asyncio.sleep(0)
        assert lock.waiting == 1
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
        assert lock.waiting == 0


async def test_within_gives_up_and_says_on_what() -> None:
    assert await within(5, asyncio.sleep(0, "done"), "x") == "done"
    with pytest.raises(Unavailable, match="the mount does not answer within 0 s"):
        await within(0.001, asyncio.Event().wait(), "the mount")
