"""One monitor for each running container that has a health check.

A monitor lives exactly as long as its container runs unpaused: the ledger tells of every change of
status, and after a restart of the daemon `open` looks at all containers. What is known (status,
streak, last results) is part of the container's record.

Source: behaviours 109–113; moby's daemon/health.go, `monitor` and `updateHealthMonitor`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from msgspec import structs

from wharfie.engine.containers.catalogue import Catalogue, ContainerHandle
from wharfie.engine.containers.ledger import Ledger
from wharfie.engine.containers.lifecycle.health import HealthCheck, health_check
from wharfie.engine.exec import Execs
from wharfie.engine.health.probe import run_probe
from wharfie.formats.timestamps import parse_rfc3339
from wharfie.model.container import Status
from wharfie.model.health import Health, HealthResult
from wharfie.model.ids import ContainerId, short
from wharfie.model.measures import Measures
from wharfie.model.nursery import Nursery


class HealthMonitors:
    """Runs health checks in the background."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        ledger: Ledger,
        execs: Execs,
        nursery: Nursery,
        measures: Measures | None = None,
    ) -> None:
        self._measures = measures or Measures()
        self._catalogue = catalogue
        self._ledger = ledger
        self._execs = execs
        self._nursery = nursery
        self._running: dict[ContainerId, tuple[str, Callable[[], object]]] = {}
        """By container, the run its monitor looks at, and what cancels it."""

    def open(self) -> None:
        """Watch every container, those that run already at once."""
        self._ledger.observe(self._on_status)
        for handle in self._catalogue:
            self._on_status(handle)

    def close(self) -> None:
        """Stop looking; containers and their recorded health stay as they are."""
        running, self._running = list(self._running.values()), {}
        for _, cancel in running:
            cancel()

    def _on_status(self, handle: ContainerHandle) -> None:
        state = handle.record.state
        current = self._running.get(handle.id)
        if current is not None:
            if state.status is Status.RUNNING and state.started_at == current[0]:
                return
            del self._running[handle.id]
            current[1]()
        if state.status is not Status.RUNNING:
            return
        check = health_check(handle.record.config)
        if check is not None:
            monitor = self._monitor(handle, check)
            what = f"health checks of {short(handle.id)}"
            self._running[handle.id] = (state.started_at, self._nursery.begin(monitor, what))

    async def _monitor(self, handle: ContainerHandle, check: HealthCheck) -> None:
        seconds, fraction = parse_rfc3339(handle.record.state.started_at) or (0, 0)
        started = seconds + fraction / 1e9
        while True:
            health = handle.record.state.health or Health()
            since = time.time() - started
            await asyncio.sleep(check.pause(since_start=since, health=health))
            since = time.time() - started
            measures = self._measures
            result = await run_probe(self._execs, handle.record, check, measures.health_starts)
            measures.health_checks += 1
            measures.failed_health_checks += result.exit_code != 0
            await self._record(handle, check, result, in_start_period=since < check.start_period)

    async def _record(
        self,
        handle: ContainerHandle,
        check: HealthCheck,
        result: HealthResult,
        *,
        in_start_period: bool,
    ) -> None:
        """Commit a result, and tell of a changed status."""
        async with handle.lock:
            # Whoever ends or pauses the container holds this lock and cancels us before it goes.
            before = handle.record.state.health or Health()
            after = before.after(result, retries=check.retries, in_start_period=in_start_period)
            state = structs.replace(handle.record.state, health=after)
            await self._ledger.save(handle, structs.replace(handle.record, state=state))
        if after.status is not before.status:
            self._ledger.publish(handle.record, f"health_status: {after.status.value}")
