"""Notifications arrive, in order, however the receiver behaves; and wait in a bounded queue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from support.registry_events import event
from wharfie.registry.config.watching import EndpointConfig
from wharfie.registry.ports import EventKind
from wharfie.registry.watching import notifications
from wharfie.registry.watching.notifications import Notifications


class Listener:
    """A receiver in the place of the HTTP client."""

    def __init__(self, answers: Callable[[int], int]) -> None:
        self.answers = answers
        self.tries = 0
        self.taken: list[str] = []
        self.headers: dict[str, str] = {}
        self.arrived = asyncio.Condition()

    @asynccontextmanager
    async def exchange(self, request: object) -> AsyncIterator[object]:
        self.tries += 1
        status = self.answers(self.tries)
        if status == 0:
            raise notifications.RequestError("connection refused")
        if status == 200:
            assert request.body is not None
            self.taken += [one["target"]["tag"] for one in json.loads(request.body)["events"]]
            self.headers = dict(request.headers)
        async with self.arrived:
            self.arrived.notify_all()
        yield Reply(status)

    async def close(self) -> None:
        pass

    async def has(self, count: int) -> None:
        async with asyncio.timeout(5), self.arrived:
            await self.arrived.wait_for(lambda: len(self.taken) >= count)


class Reply:
    def __init__(self, status: int) -> None:
        self.status = status

    async def read(self, limit: int) -> bytes:
        return b""


@asynccontextmanager
async def notifying(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, **options: object
) -> AsyncIterator[Notifications]:
    monkeypatch.setattr(notifications, "_FIRST_PAUSE", 0.0)
    config = EndpointConfig(
        name="n", url="http://n.example/", **{"backoff": 0.0, "threshold": 3, **options}
    )
    found = Notifications([config], base="", agent="a")
    for receiver in found.receivers:
        receiver._client = listener
    async with asyncio.TaskGroup() as group:
        task = group.create_task(found.run())
        yield found
        task.cancel()


async def test_events_arrive_in_order_whatever_failed_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listener = Listener(lambda n: {1: 0, 2: 503, 3: 429, 4: 500, 5: 404}.get(n, 200))
    headers = {"Authorization": ["Bearer x"]}
    async with notifying(listener, monkeypatch, headers=headers) as found:
        for tag in ("a", "b", "c"):
            found.happened(event(tag=tag))
        await listener.has(3)
        assert listener.taken == ["a", "b", "c"]
        assert listener.headers["Authorization"] == "Bearer x"
        assert listener.headers["Content-Type"].endswith("events.v1+json")
        await found.receivers[0].drain(1)
        assert found.receivers[0].statuses == {
            "error": 1, "503": 1, "429": 1, "500": 1, "404": 1, "200": 3,
        }  # fmt: skip


async def test_a_refused_event_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener(lambda n: 400 if n <= 3 else 200)
    async with notifying(listener, monkeypatch) as found:
        found.happened(event(tag="poison"))
        found.happened(event(tag="good"))
        await listener.has(1)
        assert listener.taken == ["good"]


async def test_a_full_queue_loses_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = asyncio.Event()
    listener = Listener(lambda n: 200 if opened.is_set() else 0)
    async with notifying(listener, monkeypatch, queue=2, backoff=0.01) as found:
        for tag in ("a", "b", "c", "d"):
            found.happened(event(tag=tag))
        assert (found.receivers[0].pending, found.receivers[0].dropped) == (2, 2)
        opened.set()
        await listener.has(2)
        assert listener.taken == ["c", "d"]


async def test_what_is_not_wanted_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener(lambda n: 200)
    options = {"ignored_types": ["application/octet-stream"], "ignored_actions": ["pull"]}
    async with notifying(listener, monkeypatch, **options) as found:
        found.happened(event(tag="blob", media_type="application/octet-stream"))
        found.happened(event(tag="pulled", kind=EventKind.PULL))
        found.happened(event(tag="pushed"))
        await listener.has(1)
        assert listener.taken == ["pushed"]


async def test_the_end_waits_for_what_is_queued_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listener = Listener(lambda n: 0)
    async with notifying(listener, monkeypatch, backoff=0.01) as found:
        found.happened(event())
        await found.close(timeout=0.05)
        assert found.receivers[0].pending == 1
