"""Room on the disk: above one watermark unused images go, until it is below the other.

Unused is what no container has. Those without a name go first, then the longest unused. Containers
and volumes are never touched. Off unless configured: Docker deletes nothing by itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from wharfie.engine.images.records.catalog import Catalog
from wharfie.engine.images.records.removal import ImageUse
from wharfie.engine.images.records.selection import nanoseconds_of
from wharfie.model.errors import EngineError
from wharfie.model.ids import ImageId
from wharfie.model.image import Image

_log = logging.getLogger(__name__)
EVERY_SECONDS = 30.0


class Watermarks(Struct, frozen=True):
    """Per cent of the disk in use: collecting begins above `high` and ends at `low`."""

    high: int
    low: int


class Disk(Protocol):
    """The file system images are on."""

    async def used(self) -> float:
        """Per cent in use, as df shows it; what was deleted just now counts as free."""


class FileSystem:
    """The disk of a directory; `settle` waits until deletions under way are done."""

    def __init__(self, directory: str, settle: Callable[[], Awaitable[None]]) -> None:
        self._directory = directory
        self._settle = settle

    async def used(self) -> float:
        """Per cent in use."""
        await self._settle()
        status = await asyncio.to_thread(os.statvfs, self._directory)
        taken = status.f_blocks - status.f_bfree
        return 100.0 * taken / max(1, taken + status.f_bavail)


class Collector:
    """Looks now and then, and makes room when it must."""

    def __init__(
        self,
        watermarks: Watermarks,
        disk: Disk,
        *,
        catalog: Catalog,
        uses: Callable[[], Mapping[ImageId, Sequence[ImageUse]]],
        mark_used: Callable[[Sequence[ImageId]], Awaitable[None]],
        remove: Callable[[Image], Awaitable[int]],
        announce: Callable[[dict[str, str]], object],
    ) -> None:
        """Begin.

        Args:
            watermarks: when.
            disk: how full it is.
            catalog: the images.
            uses: containers by image.
            mark_used: record that these images are in use now, and those noted since.
            remove: delete an image with all its names; bytes reclaimed, 0 when refused.
            announce: publish what was done.
        """
        self._watermarks = watermarks
        self._disk = disk
        self._catalog = catalog
        self._uses = uses
        self._mark_used = mark_used
        self._remove = remove
        self._announce = announce

    async def run(self) -> None:
        """Look every half minute until cancelled."""
        while True:
            try:
                await self.look()
            except (EngineError, OSError) as error:
                _log.warning("cannot collect unused images: %s", error)
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self) -> int:
        """Make room if there is too little; returns the number of images deleted."""
        used = self._uses()
        await self._mark_used([image_id for image_id, holders in used.items() if holders])
        before = await self._disk.used()
        if before <= self._watermarks.high:
            return 0
        gone, reclaimed, now = 0, 0, before
        for image in unused(self._catalog, used):
            size = await self._remove(image)
            if self._catalog.by_id(image.id) is not None:
                continue  # a container took it meanwhile, or other images stand on it
            gone += 1
            reclaimed += size
            now = await self._disk.used()
            if now <= self._watermarks.low:
                break
        _log.info(
            "the disk was %.0f%% full: deleted %d unused images (%d bytes), now %.0f%%",
            before, gone, reclaimed, now,
        )  # fmt: skip
        if now > self._watermarks.high:
            _log.warning("the disk is %.0f%% full, and no unused image is left to delete", now)
        if gone:
            facts = {"images": str(gone), "reclaimed": str(reclaimed)}
            self._announce({**facts, "before": f"{before:.0f}%", "after": f"{now:.0f}%"})
        return gone


def unused(catalog: Catalog, uses: Mapping[ImageId, Sequence[ImageUse]]) -> list[Image]:
    """Images no container has, those to go first at the front."""
    found = [image for image in catalog if not uses.get(image.id)]
    return sorted(found, key=lambda image: (bool(image.tags), _last_use(image)))


def _last_use(image: Image) -> int:
    """Nanoseconds since the epoch; the moment it came counts as use."""
    return max(nanoseconds_of(image.used_at), nanoseconds_of(image.tagged_at))
