"""The event bus: publish never waits; a subscriber that does not read is cut off.

Change → commit → publish, in this order. The ring holds the last events for `since`.
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable

from wharfie.engine.events.matching import matches
from wharfie.model.errors import EngineError
from wharfie.model.event import Actor, Event
from wharfie.model.filters import EventFilters

RING_SIZE = 1000
"""Past events that are known, also after a restart; Docker has 256."""
QUEUE_SIZE = 4096


class SubscriberTooSlow(EngineError):
    """A subscriber's queue is full: its subscription is over, others are unharmed."""


class Subscription:
    """Events for one reader, from the moment it was made; an async iterator.

    The bus holds it weakly: a reader that is dropped, begun or not, is forgotten.
    """

    def __init__(self, filters: EventFilters, past: Iterable[Event], *, end: float | None) -> None:
        self.filters = filters
        self._past = deque(event for event in past if matches(event, filters))
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(QUEUE_SIZE)
        self._end = end
        self.is_open = True

    def offer(self, event: Event) -> None:
        """Hand over a live event; a reader that does not read is cut off."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.is_open = False
            self._queue.get_nowait()
            self._queue.put_nowait(None)

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        """The next event.

        Raises:
            SubscriberTooSlow: the reader fell `QUEUE_SIZE` events behind.
        """
        if self._past:
            return self._past.popleft()
        try:
            async with asyncio.timeout_at(self._end):
                event = await self._queue.get()
        except TimeoutError:
            self.is_open = False
            raise StopAsyncIteration from None
        if event is None:
            raise SubscriberTooSlow("event stream cut off: the reader is too slow")
        return event


class EventBus:
    """All events of one engine."""

    def __init__(self, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self.published = 0
        """Events since this daemon began."""
        self._ring: deque[Event] = deque(maxlen=RING_SIZE)
        self._subscriptions: weakref.WeakSet[Subscription] = weakref.WeakSet()
        self._keep: Callable[[Event], None] | None = None

    def restore(self, past: Iterable[Event]) -> None:
        """Know events of an earlier daemon; before any is published."""
        self._ring.extendleft(reversed(list(past)))

    def keep(self, hear: Callable[[Event], None]) -> None:
        """Have every event told to `hear`, which returns at once."""
        self._keep = hear

    @property
    def listeners(self) -> int:
        """Number of live subscriptions."""
        return sum(one.is_open for one in self._subscriptions)

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
        self.published += 1
        self._ring.append(event)
        if self._keep is not None:
            self._keep(event)
        for subscription in list(self._subscriptions):
            if subscription.is_open and matches(event, subscription.filters):
                subscription.offer(event)
        return event

    def subscribe(
        self, filters: EventFilters, *, since: int | None = None, until: int | None = None
    ) -> Subscription:
        """Subscribe, at once: past events from `since`, then live ones up to `until`.

        Args:
            filters: which events.
            since: nanoseconds since the epoch; None starts now.
            until: nanoseconds since the epoch; None never ends, a past one ends after the ring.
        """
        past = [] if since is None else [e for e in self._ring if e.time_nano >= since]
        end = None
        if until is not None:
            past = [event for event in past if event.time_nano <= until]
            left = max(0.0, (until - self._clock()) / 1e9)
            end = asyncio.get_running_loop().time() + left
        subscription = Subscription(filters, past, end=end)
        self._subscriptions.add(subscription)
        return subscription
