"""Threads for blocking calls: results, errors, growth beside stuck ones, an end without them."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from wharfie.daemon.workers import Workers, describe


async def test_results_and_errors_come_back() -> None:
    workers = Workers(asyncio.get_running_loop(), 2)
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(workers, int, "7") == 7
    with pytest.raises(ValueError, match="invalid literal"):
        await loop.run_in_executor(workers, int, "x")
    workers.shutdown()
    with pytest.raises(RuntimeError):
        workers.submit(int)


async def test_stuck_calls_stand_in_nobodys_way_not_even_at_the_end() -> None:
    loop = asyncio.get_running_loop()
    workers = Workers(loop, 2)
    release = threading.Event()
    stuck = [loop.run_in_executor(workers, release.wait) for _ in range(20)]
    async with asyncio.timeout(10):
        assert await loop.run_in_executor(workers, int, "7") == 7
    assert sum(wait.what.startswith("Event.wait(") for wait in workers.waits()) == 20
    release.set()
    assert await asyncio.gather(*stuck) == [True] * 20
    forever = threading.Event()
    lost = loop.run_in_executor(workers, forever.wait)
    while not workers.waits():
        await asyncio.sleep(0.001)
    started = time.monotonic()
    workers.shutdown(wait=False)
    assert time.monotonic() - started < 1
    forever.set()
    await lost


async def test_calls_are_described_for_people() -> None:
    loop = asyncio.get_running_loop()
    workers = Workers(loop, 1)
    loop.set_default_executor(workers)
    release = threading.Event()

    def look_at(path: str) -> bool:
        return release.wait(10) and bool(path)

    waiting = asyncio.ensure_future(asyncio.to_thread(look_at, "/dead/mount"))
    async with asyncio.timeout(5):
        while not workers.waits():
            await asyncio.sleep(0.001)
    assert "look_at(/dead/mount)" in workers.waits()[0].what
    release.set()
    assert await waiting
    assert describe(len).startswith("len(")
