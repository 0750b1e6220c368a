"""Upkeep as a service: retention and collection by the clock or when told, scrub likewise."""

from __future__ import annotations

import asyncio
import logging
import time

from wharfie.registry.config.values import Config
from wharfie.registry.storage import Content
from wharfie.registry.upkeep.collector import Collector
from wharfie.registry.upkeep.report import Report
from wharfie.registry.upkeep.retention import retire
from wharfie.registry.upkeep.scrub import scrub

_log = logging.getLogger(__name__)
_FIRST = 600.0
"""Seconds after the start until the first run: a registry restarted daily is tidied, too."""


class Upkeep:
    """Runs upkeep, one thing of a kind at a time.

    Attributes:
        config: may be replaced; the next run takes it up.
    """

    def __init__(self, content: Content, config: Config) -> None:
        self.config = config
        self._content = content
        self._collecting = asyncio.Lock()
        self._scrubbing = asyncio.Lock()
        self.last_collection: Report | None = None
        self.last_scrub: Report | None = None
        self.collected_at = 0.0
        self.scrubbed_at = 0.0

    async def run(self) -> None:
        """Tend the registry for ever."""
        async with asyncio.TaskGroup() as group:
            if self.config.gc.interval > 0:
                group.create_task(self._collect_for_ever())
            if self.config.scrub.interval > 0:
                group.create_task(self._scrub_for_ever())

    async def collect(self, *, grace: float | None = None, dry_run: bool = False) -> Report:
        """Retire tags, then collect garbage; waits for a run under way."""
        async with self._collecting:
            retiring = Report(dry_run=dry_run)
            await retire(self._content, self.config.retention, retiring)
            collector = Collector(self._content, self.config)
            report = await collector.collect(grace=grace, dry_run=dry_run)
            report.tags = retiring.tags
            self.last_collection, self.collected_at = report, time.time()
            return report

    async def scrub(self, *, rate: int | None = None) -> Report:
        """Read everything; waits for a run under way."""
        async with self._scrubbing:
            report = await scrub(
                self._content, rate=self.config.scrub.rate if rate is None else rate
            )
            self.last_scrub, self.scrubbed_at = report, time.time()
            return report

    async def _collect_for_ever(self) -> None:
        await asyncio.sleep(min(_FIRST, self.config.gc.interval))
        while True:
            try:
                await self.collect()
            except OSError:
                _log.exception("collecting garbage failed; it is tried again next time")
            await asyncio.sleep(self.config.gc.interval)

    async def _scrub_for_ever(self) -> None:
        await asyncio.sleep(min(_FIRST, self.config.scrub.interval))
        while True:
            try:
                await self.scrub()
            except OSError:
                _log.exception("scrub failed; it is tried again next time")
            await asyncio.sleep(self.config.scrub.interval)
