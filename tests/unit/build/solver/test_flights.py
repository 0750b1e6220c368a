"""Equal work under way is done once, and ended when nobody wants it any more."""

from __future__ import annotations

import asyncio

import pytest

from wharfie.build.solver.flights import Flight, Flights
from wharfie.model.errors import NotFound
from wharfie.model.nursery import Nursery


class Ears:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def tell(self, message: object) -> None:
        self.heard.append(message)


class Work:
    """Counts its runs, tells a message, and waits to be let go."""

    def __init__(self) -> None:
        self.runs = 0
        self.ended = 0
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, flight: Flight) -> int:
        self.runs += 1
        flight.tell("begun")  # type: ignore[arg-type]
        self.begun.set()
        try:
            await self.go.wait()
        finally:
            self.ended += 1
        return 7


async def test_two_who_want_the_same_share_it_and_hear_all_of_it() -> None:
    flights: Flights[int] = Flights(Nursery())
    work, first, second = Work(), Ears(), Ears()
    async with asyncio.TaskGroup() as group:
        one = group.create_task(flights.join("k", work, first, "w"))
        await work.begun.wait()
        two = group.create_task(flights.join("k", work, second, "w"))
        await asyncio.sleep(0)
        work.go.set()
    assert (one.result(), two.result(), work.runs) == (7, 7, 1)
    assert first.heard == second.heard == ["begun"]


async def test_work_goes_on_while_one_still_waits_and_ends_with_the_last() -> None:
    flights: Flights[int] = Flights(Nursery())
    work = Work()
    one = asyncio.ensure_future(flights.join("k", work, Ears(), "w"))
    two = asyncio.ensure_future(flights.join("k", work, Ears(), "w"))
    await work.begun.wait()
    one.cancel()
    await asyncio.wait([one])
    assert not work.ended
    two.cancel()
    await asyncio.wait([two])
    assert work.ended == 1
    assert (one.cancelled(), two.cancelled()) == (True, True)


async def test_who_comes_after_a_cancelled_one_begins_anew() -> None:
    flights: Flights[int] = Flights(Nursery())
    work = Work()
    one = asyncio.ensure_future(flights.join("k", work, Ears(), "w"))
    await work.begun.wait()
    one.cancel()
    await asyncio.sleep(0)  # it has left, its work is ending
    work.go.set()
    assert await flights.join("k", work, Ears(), "w") == 7
    await asyncio.wait([one])
    assert work.runs == 2


async def test_a_failure_reaches_everybody() -> None:
    flights: Flights[int] = Flights(Nursery())

    async def fail(_: Flight) -> int:
        raise NotFound("gone")

    async def attempt() -> None:
        with pytest.raises(NotFound):
            await flights.join("k", fail, Ears(), "w")

    await asyncio.gather(attempt(), attempt())
