"""Pins: what is used is not removed, what is being removed is not used."""

from __future__ import annotations

import asyncio

from wharfie.registry.storage.pins import Pins


async def claimed(pins: Pins, digest: str, since: int) -> bool:
    async with pins.claim(digest, since) as got:
        return got


async def test_what_nobody_uses_can_be_claimed() -> None:
    pins = Pins()
    with pins.reading() as turn:
        assert await claimed(pins, "a", turn)


async def test_what_is_held_cannot() -> None:
    pins = Pins()
    with pins.reading() as turn:
        async with pins.hold("a", "b", "a"):
            assert not await claimed(pins, "a", turn)
            assert await claimed(pins, "c", turn)


async def test_what_was_held_since_the_reading_began_cannot() -> None:
    pins = Pins()
    with pins.reading() as turn:
        async with pins.hold("a"):
            pass
        assert not await claimed(pins, "a", turn)
    with pins.reading() as turn:
        assert await claimed(pins, "a", turn)


async def test_what_was_held_across_the_beginning_cannot() -> None:
    pins = Pins()
    async with pins.hold("a"):
        reading = pins.reading()
        turn = reading.__enter__()
    assert not await claimed(pins, "a", turn)
    reading.__exit__(None, None, None)


async def test_two_holders_are_two() -> None:
    pins = Pins()
    async with pins.hold("a"):
        async with pins.hold("a"):
            pass
        with pins.reading() as turn:
            assert not await claimed(pins, "a", turn)


async def test_holders_wait_for_a_removal_and_see_its_result() -> None:
    pins = Pins()
    there = {"a"}
    seen: list[bool] = []

    async def use() -> None:
        async with pins.hold("b", "a"):
            seen.append("a" in there)

    with pins.reading() as turn:
        async with asyncio.TaskGroup() as group, pins.claim("a", turn) as got:
            assert got
            group.create_task(use())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert seen == []
            assert not await claimed(pins, "a", turn)
            there.discard("a")
    assert seen == [False]


async def test_a_cancelled_holder_holds_no_more() -> None:
    pins = Pins()

    async def hold_for_ever() -> None:
        async with pins.hold("a"):
            await asyncio.Event().wait()

    task = asyncio.ensure_future(hold_for_ever())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pins.reading() as turn:
        assert await claimed(pins, "a", turn)


async def test_an_older_reader_is_not_misled_by_a_younger_ones_end() -> None:
    pins = Pins()
    with pins.reading() as older:
        async with pins.hold("a"):
            pass
        with pins.reading() as younger:
            assert younger > older
            assert await claimed(pins, "a", younger)
        assert not await claimed(pins, "a", older)
