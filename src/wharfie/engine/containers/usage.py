"""Stats of containers: single samples, and one a second until the container is removed.

Nobody collects in the background: each caller has its samples taken while it listens. A
container that does not run has zeroes, and its stream stays open. Source: behaviours 196–198;
moby daemon/stats.go, ContainerStats.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from msgspec import Struct

from wharfie.engine.containers.catalogue import Catalogue, ContainerHandle
from wharfie.model.container import Container, Status, WaitCondition
from wharfie.model.errors import NotRunning
from wharfie.model.lifecycle import has_process
from wharfie.model.runtime import Runtime
from wharfie.model.usage import NO_USAGE, Usage

INTERVAL = 1.0
"""Seconds between two samples of a stream."""


class Sample(Struct, frozen=True):
    """What a container used at a moment, and a moment before."""

    container: Container
    usage: Usage
    before: Usage = NO_USAGE


class ContainerUsage:
    """Stats verbs on containers."""

    def __init__(
        self, *, catalogue: Catalogue, runtime: Runtime, interval: float = INTERVAL
    ) -> None:
        self._catalogue = catalogue
        self._runtime = runtime
        self._interval = interval

    async def once(self, ref: str) -> Sample:
        """One sample, at once, with nothing before it (`one-shot`).

        Raises:
            NoSuchContainer: nothing matches.
        """
        handle = self._catalogue.find(ref)
        return await self._sample(handle, NO_USAGE)

    async def pair(self, ref: str) -> Sample:
        """Two samples an interval apart, so that rates can be told; one if it does not run."""
        handle = self._catalogue.find(ref)
        first = await self._sample(handle, NO_USAGE)
        if not first.usage.at:
            return first
        removed = handle.waiters.add(WaitCondition.REMOVED)
        try:
            await asyncio.wait([removed], timeout=self._interval)
        finally:
            removed.cancel()
        return await self._sample(handle, first.usage)

    def follow(self, ref: str) -> AsyncIterator[Sample]:
        """A sample at once and then one an interval, until the container is removed.

        Raises:
            NoSuchContainer: nothing matches; at the call.
        """
        return self._follow(self._catalogue.find(ref))

    async def _follow(self, handle: ContainerHandle) -> AsyncIterator[Sample]:
        removed = handle.waiters.add(WaitCondition.REMOVED)
        before, due = NO_USAGE, time.monotonic()
        try:
            while not removed.done():
                sample = await self._sample(handle, before)
                before = sample.usage
                yield sample
                due = max(due + self._interval, time.monotonic())
                await asyncio.wait([removed], timeout=due - time.monotonic())
        finally:
            removed.cancel()

    async def _sample(self, handle: ContainerHandle, before: Usage) -> Sample:
        record = handle.record
        status = record.state.status
        if not has_process(status) or status is Status.RESTARTING:
            return Sample(record, NO_USAGE)
        try:
            return Sample(record, await self._runtime.usage(record), before)
        except NotRunning:
            return Sample(record, NO_USAGE)
