"""The event bus: history, live events, filters, and slow readers."""

from __future__ import annotations

import asyncio
import gc

import pytest

from wharfie.engine.events import EventBus, SubscriberTooSlow
from wharfie.engine.events.bus import QUEUE_SIZE
from wharfie.model.filters import EventFilters, LabelMatch


async def collected(bus: EventBus, filters: EventFilters, **bounds: int) -> list[str]:
    return [event.action async for event in bus.subscribe(filters, **bounds)]


async def test_the_past_is_replayed_up_to_a_bound_and_then_ends() -> None:
    now = [100]
    bus = EventBus(clock=lambda: now[0])
    for action in ("create", "start", "die"):
        bus.publish("container", action, "c" * 64)
        now[0] += 10
    assert await collected(bus, EventFilters(), since=110, until=115) == ["start"]


async def test_live_events_follow_the_past_without_a_gap() -> None:
    bus = EventBus()
    bus.publish("container", "create", "c")
    seen: list[str] = []

    async def read() -> None:
        async for event in bus.subscribe(EventFilters(), since=0):
            seen.append(event.action)
            if event.action == "die":
                return

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(read())
        while bus.listeners == 0:
            await asyncio.sleep(0)
        bus.publish("container", "start", "c")
        bus.publish("container", "die", "c")
    assert seen == ["create", "start", "die"]


async def test_a_slow_reader_is_cut_off_and_others_are_not() -> None:
    bus = EventBus()
    slow = bus.subscribe(EventFilters(), since=0)
    bus.publish("container", "create", "c")
    assert (await anext(slow)).action == "create"
    for number in range(QUEUE_SIZE + 1):
        bus.publish("container", f"top {number}", "c")
    with pytest.raises(SubscriberTooSlow):
        async for _ in slow:
            pass
    assert bus.listeners == 0


async def test_events_count_from_the_subscription_not_from_the_first_read() -> None:
    bus = EventBus()
    subscription = bus.subscribe(EventFilters())
    bus.publish("container", "create", "c")
    assert (await anext(subscription)).action == "create"


async def test_a_subscription_nobody_holds_is_forgotten() -> None:
    bus = EventBus()
    subscription = bus.subscribe(EventFilters())
    assert bus.listeners == 1
    del subscription
    gc.collect()
    assert bus.listeners == 0


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (EventFilters(types=["network"]), ["connect"]),
        (EventFilters(actions=["exec_create"]), ["exec_create: sh"]),
        (EventFilters(actions=["exec_create: sh"]), ["exec_create: sh"]),
        (EventFilters(containers=["we"]), ["exec_create: sh"]),
        (EventFilters(containers=["ccc"]), ["exec_create: sh"]),
        (EventFilters(networks=["bri", "x"]), ["connect"]),
        (EventFilters(volumes=["nn"]), ["connect"]),
        (EventFilters(images=["busybox"]), ["exec_create: sh", "pull"]),
        (EventFilters(labels=[LabelMatch("a", "1")]), ["exec_create: sh"]),
        (EventFilters(labels=[LabelMatch("a", "2")]), []),
        (EventFilters(types=["network", "image"]), ["connect", "pull"]),
    ],
)
async def test_b105_filters(filters: EventFilters, expected: list[str]) -> None:
    bus = EventBus(clock=lambda: 5)
    attributes = {"name": "web", "image": "busybox:latest", "a": "1"}
    bus.publish("container", "exec_create: sh", "ccc", attributes)
    facts = {"container": "ccc", "name": "bridge"}
    bus.publish("network", "connect", "nnn", facts)
    bus.publish("image", "pull", "busybox:latest", {"name": "busybox"})
    assert await collected(bus, filters, since=0, until=5) == expected
