"""Notifications: every push, pull, mount and deletion is posted to the receivers that want it.

Each receiver has a queue and a task of its own, so a slow one delays nobody. The queue is bounded:
when it is full the oldest events go, and are counted. What fails is tried again, quickly at
first; after `threshold` failures in a row the receiver is left alone for `backoff` each time. An
event that a receiver keeps refusing (4xx) is given up after `threshold` tries, so that it does
not hold up the others. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import uuid
from collections import Counter, deque
from collections.abc import Iterable, Sequence

from wharfie.pki import client_context
from wharfie.registry.config.watching import EndpointConfig
from wharfie.registry.ports import Event, Outcome
from wharfie.registry.watching.envelope import MEDIA_TYPE, encode_events
from wharfie.registry.watching.metrics import Sample
from wharfie.web.client import Client, ClientRequest, Dialer, RequestError, parse_url

_log = logging.getLogger(__name__)
_FIRST_PAUSE = 0.05
_LARGEST_REPLY = 64 << 10
_TRANSIENT = frozenset({408, 425, 429})


class Receiver:
    """One receiver, its queue and its task.

    Args:
        config: of the receiver.
        client: posts.
        base: see `encode_events`.
        source: likewise.
        instance: likewise.
    """

    def __init__(
        self, config: EndpointConfig, client: Client, *, base: str, source: str, instance: str
    ) -> None:
        self.name = config.name
        self._config = config
        self._client = client
        self._base = base
        self._source = source
        self._instance = instance
        self._url = parse_url(config.url)
        self._tls = client_context() if self._url.scheme == "https" else None
        self._queue: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.statuses: Counter[str] = Counter()
        """Posts by their outcome: a status, or "error"."""
        self.dropped = 0

    @property
    def pending(self) -> int:
        """Events that wait."""
        return len(self._queue)

    def take(self, event: Event) -> None:
        """Queue an event, if it is wanted."""
        if event.media_type in self._config.ignored_types:
            return
        if str(event.kind) in self._config.ignored_actions:
            return
        if len(self._queue) >= self._config.queue:
            self._queue.popleft()
            self.dropped += 1
            if self.dropped == 1 or self.dropped % 1000 == 0:
                _log.warning("notifications to %s: %d events dropped", self.name, self.dropped)
        self._queue.append(event)
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Post what is queued, until cancelled."""
        while True:
            if not self._queue:
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
            await self._deliver(self._queue[0])

    async def drain(self, timeout: float) -> None:
        """Wait until all is posted, at most `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            _log.warning("notifications to %s: %d events lost at the end", self.name, self.pending)

    async def _deliver(self, event: Event) -> None:
        """Post one event until it is taken, given up, or dropped for want of room."""
        body = encode_events([event], base=self._base, source=self._source, instance=self._instance)
        failures = refusals = 0
        while self._queue and self._queue[0] is event:
            status = await self._post(body)
            self.statuses[str(status) if status else "error"] += 1
            if 200 <= status < 400:
                self._forget(event)
                return
            failures += 1
            refusals += 400 <= status < 500 and status not in _TRANSIENT
            if refusals >= self._config.threshold:
                _log.warning("notifications to %s: an event is refused: %d", self.name, status)
                self._forget(event)
                return
            await asyncio.sleep(self._pause(failures))

    def _forget(self, event: Event) -> None:
        if self._queue and self._queue[0] is event:
            self._queue.popleft()

    def _pause(self, failures: int) -> float:
        if failures >= self._config.threshold:
            return self._config.backoff
        return min(_FIRST_PAUSE * 2.0 ** min(failures, 20), self._config.backoff)

    async def _post(self, body: bytes) -> int:
        headers = {name: ", ".join(values) for name, values in self._config.headers.items()}
        request = ClientRequest(
            method="POST",
            url=self._url,
            headers={**headers, "Content-Type": MEDIA_TYPE},
            body=body,
            tls=self._tls,
        )
        try:
            async with asyncio.timeout(self._config.timeout):
                async with self._client.exchange(request) as reply:
                    await reply.read(_LARGEST_REPLY)
                    return reply.status
        except (RequestError, TimeoutError) as error:
            _log.info("notifications to %s: %s", self.name, str(error) or "timed out")
            return 0


class Notifications:
    """All receivers. Implements `ports.Observer`."""

    def __init__(self, endpoints: Sequence[EndpointConfig], *, base: str, agent: str) -> None:
        self._client = Client(Dialer(), agent=agent)
        instance = str(uuid.uuid4())
        self.receivers = [
            Receiver(one, self._client, base=base, source=socket.gethostname(), instance=instance)
            for one in endpoints
        ]

    def happened(self, event: Event) -> None:
        """See `ports.Observer`."""
        for receiver in self.receivers:
            receiver.take(event)

    def answered(self, outcome: Outcome) -> None:
        """See `ports.Observer`: requests as such are not notified."""

    def samples(self) -> Iterable[Sample]:
        """For the metrics."""
        named = [(receiver, ("endpoint", receiver.name)) for receiver in self.receivers]
        yield (
            "registry_notifications_pending", "gauge", "Events that wait",
            {(label,): receiver.pending for receiver, label in named},
        )  # fmt: skip
        yield (
            "registry_notifications_dropped_total", "counter", "Events lost for want of room",
            {(label,): receiver.dropped for receiver, label in named},
        )  # fmt: skip
        yield (
            "registry_notifications_status_total", "counter", "Posts by their outcome",
            {(("code", code), label): count
             for receiver, label in named for code, count in receiver.statuses.items()},
        )  # fmt: skip

    async def run(self) -> None:
        """Post, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for receiver in self.receivers:
                group.create_task(receiver.run())

    async def close(self, *, timeout: float) -> None:
        """Give what waits a last chance; `run` goes on until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for receiver in self.receivers:
                group.create_task(receiver.drain(timeout))
        await self._client.close()
