"""Events kept on disk: written behind the bus in batches, read when the daemon starts.

A batch waits a moment, so that the events of one verb share a commit. `kill -9` loses those of
that moment only; whoever was subscribed has seen them.
"""

from __future__ import annotations

import asyncio
import logging

from wharfie.engine.events.bus import RING_SIZE, EventBus
from wharfie.model.errors import EngineError
from wharfie.model.event import Event
from wharfie.model.store import Store

_log = logging.getLogger(__name__)
GATHER_SECONDS = 0.02
MAX_WAITING = 20_000
"""Events that may wait for a disk that hangs; those beyond are not kept."""


class EventRecorder:
    """Keeps the last events of a bus in the store."""

    def __init__(self, store: Store, bus: EventBus) -> None:
        self._store = store
        self._bus = bus
        self._waiting: list[Event] = []
        self._changed = asyncio.Event()

    def open(self) -> None:
        """Give the bus what was kept, and hear of what comes."""
        self._bus.restore(self._store.read(lambda tx: tx.events.last(RING_SIZE)))
        self._bus.keep(self._note)

    async def run(self) -> None:
        """Write what comes, until cancelled."""
        while True:
            await self._changed.wait()
            await asyncio.sleep(GATHER_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits."""
        self._changed.clear()
        batch, self._waiting = self._waiting, []
        if not batch:
            return
        try:
            await self._store.write(lambda tx: tx.events.append(batch, keep=RING_SIZE))
        except EngineError as error:
            _log.warning("%d events are not kept: %s", len(batch), error)

    def _note(self, event: Event) -> None:
        if len(self._waiting) < MAX_WAITING:
            self._waiting.append(event)
            self._changed.set()
