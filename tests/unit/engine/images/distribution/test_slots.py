"""Slots: a bound that can move."""

from __future__ import annotations

import asyncio

from wharfie.engine.images.distribution.slots import Slots


async def test_those_that_wait_are_served_in_order_and_a_larger_number_lets_more_in() -> None:
    slots = Slots(1)
    order: list[int] = []
    gates = [asyncio.Event() for _ in range(4)]

    async def work(number: int) -> None:
        async with slots:
            order.append(number)
            await gates[number].wait()

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(work(number))
        await asyncio.sleep(0)
        assert order == [0]
        assert slots.is_full
        slots.resize(2)
        await asyncio.sleep(0)
        assert order == [0, 1]
        gates[0].set()
        for _ in range(3):
            await asyncio.sleep(0)
        assert order == [0, 1, 2]
        for gate in gates:
            gate.set()
    assert order == [0, 1, 2, 3]
    assert not slots.is_full


async def test_who_gives_up_waiting_takes_no_slot() -> None:
    slots = Slots(1)

    async def wait() -> None:
        async with slots:
            pass

    async with slots:
        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1):
        await wait()
    assert not slots.is_full
