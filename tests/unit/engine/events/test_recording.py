"""Events kept: batches, order, a store that fails."""

from __future__ import annotations

import asyncio

from support.fake_store import FakeStore
from wharfie.engine.events import EventBus, EventRecorder
from wharfie.engine.events.bus import RING_SIZE
from wharfie.model.filters import EventFilters


def opened(store: FakeStore) -> tuple[EventBus, EventRecorder]:
    bus = EventBus()
    recorder = EventRecorder(store, bus)
    recorder.open()
    return bus, recorder


async def actions(bus: EventBus) -> list[str]:
    found = bus.subscribe(EventFilters(), since=0, until=1 << 62)
    bus.publish("daemon", "end", "d")
    seen: list[str] = []
    async for event in found:
        if event.action == "end":
            break
        seen.append(event.action)
    return seen


async def test_the_next_bus_knows_the_events_of_the_last() -> None:
    store = FakeStore()
    bus, recorder = opened(store)
    for number in range(5):
        bus.publish("container", str(number), "c")
    await recorder.flush()
    assert store.writes == 1
    later, _ = opened(store)
    later.publish("container", "new", "c")
    assert await actions(later) == ["0", "1", "2", "3", "4", "new"]


async def test_running_writes_soon_and_in_batches() -> None:
    store = FakeStore()
    bus, recorder = opened(store)
    running = asyncio.ensure_future(recorder.run())
    for number in range(100):
        bus.publish("container", str(number), "c")
    async with asyncio.timeout(5):
        while len(store.tables.events.last(999)) < 100:
            await asyncio.sleep(0.001)
    assert store.writes == 1
    running.cancel()


async def test_no_more_than_the_ring_is_kept() -> None:
    store = FakeStore()
    bus, recorder = opened(store)
    for number in range(RING_SIZE + 50):
        bus.publish("container", str(number), "c")
    await recorder.flush()
    later, _ = opened(store)
    seen = await actions(later)
    assert len(seen) <= RING_SIZE
    assert seen[-1] == str(RING_SIZE + 49)


async def test_a_store_that_fails_costs_its_batch_only() -> None:
    store = FakeStore()
    bus, recorder = opened(store)
    bus.publish("container", "lost", "c")
    store.fail_once()
    await recorder.flush()
    bus.publish("container", "kept", "c")
    await recorder.flush()
    assert [one.action for one in store.tables.events.last(9)] == ["kept"]
