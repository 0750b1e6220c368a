"""The event bus: publish never waits; a subscriber that does not read is cut off.

Change → commit → publish, in this order. The ring holds the last events for `since`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable

from wharfie.engine.events.matching import matches
from wharfie.model.errors import EngineError
from wharfie.model.event import Actor, Event
from wharfie.model.filters import EventFilters

RING_SIZE = 256
QUEUE_SIZE = 4096


class SubscriberTooSlow(EngineError):
    """A subscriber's queue is full: its subscription is over, others are unharmed."""


class EventBus:
    """All events of one engine."""

    def __init__(self, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._ring: deque[Event] = deque(maxlen=RING_SIZE)
        self._queues: dict[asyncio.Queue[Event | None], EventFilters] = {}

    @property
    def listeners(self) -> int:
        """Number of live subscriptions."""
        return len(self._queues)

    def publish(
        self, kind: str, action: str, object_id: str, attributes: dict[str, str] | None = None
    ) -> Event:
        """Publish an event of now; never waits, never fails.

        Args:
            kind: "container", "image", "network", "volume", "daemon" or "builder".
            action: "start", "exec_create: sh", …
            object_id: ID (or reference) of the object.
            attributes: its labels and facts; copied.
        """
        now = self._clock()
        event = Event(
            type=kind,
            action=action,
            actor=Actor(id=object_id, attributes=dict(attributes or {})),
            time=now // 1_000_000_000,
            time_nano=now,
        )
        self._ring.append(event)
        for queue, filters in list(self._queues.items()):
            if not matches(event, filters):
                continue
            try:
                queue.put_nowait(event)
            except asyncio.QueueFull:
                self._cut_off(queue)
        return event

    async def subscribe(
        self, filters: EventFilters, *, since: int | None = None, until: int | None = None
    ) -> AsyncIterator[Event]:
        """Yield past events from `since`, then live ones up to `until`.

        Args:
            filters: which events.
            since: nanoseconds since the epoch; None starts now.
            until: nanoseconds since the epoch; None never ends, a past one ends after the ring.

        Raises:
            SubscriberTooSlow: the reader fell `QUEUE_SIZE` events behind.
        """
        queue: asyncio.Queue[Event | None] = asyncio.Queue(QUEUE_SIZE)
        past = [] if since is None else [e for e in self._ring if e.time_nano >= since]
        self._queues[queue] = filters
        try:
            for event in past:
                if matches(event, filters) and (until is None or event.time_nano <= until):
                    yield event
            timeout = None if until is None else max(0.0, (until - self._clock()) / 1e9)
            async with asyncio.timeout(timeout):
                while (live := await queue.get()) is not None:
                    yield live
            raise SubscriberTooSlow("event stream cut off: the reader is too slow")
        except TimeoutError:
            return
        finally:
            self._queues.pop(queue, None)

    def _cut_off(self, queue: asyncio.Queue[Event | None]) -> None:
        self._queues.pop(queue, None)
        queue.get_nowait()
        queue.put_nowait(None)
