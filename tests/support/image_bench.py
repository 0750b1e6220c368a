"""The image service on real drivers in a directory, for integration tests and crash tests.

python tests/support/image_bench.py DATA_ROOT load ARCHIVE    load one archive, print messages
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from wharfie.drivers.archive import JailArchiver
from wharfie.drivers.content import LocalContentStore
from wharfie.drivers.snapshot import OverlaySnapshotter
from wharfie.engine.events import EventBus
from wharfie.engine.images import Images
from wharfie.model.archive import Limits
from wharfie.state.store import SqliteStore


class ImageBench(NamedTuple):
    """The service and what it stands on."""

    images: Images
    content: LocalContentStore
    snapshotter: OverlaySnapshotter
    events: EventBus
    root: Path

    async def load(self, archive: bytes | Path, *, quiet: bool = True) -> list[dict[str, object]]:
        return [message async for message in self.images.load(chunks(archive), quiet=quiet)]

    async def save(self, *refs: str) -> bytes:
        return b"".join([data async for data in self.images.save(refs)])

    def leftovers(self) -> dict[str, list[str]]:
        """Names of blobs, snapshots and temporary files on the disk."""
        return {
            "blobs": sorted(os.listdir(self.root / "content/blobs/sha256")),
            "snapshots": sorted(set(os.listdir(self.root / "snapshots")) - {"empty"}),
            "tmp": sorted(os.listdir(self.root / "tmp")),
        }


@asynccontextmanager
async def image_bench(
    root: Path, *, sync: bool = False, limits: Limits | None = None
) -> AsyncIterator[ImageBench]:
    """Open everything in a data root, as the daemon does, and close it again."""
    root.mkdir(exist_ok=True)
    store = SqliteStore(str(root / "engine.db"))
    snapshotter = OverlaySnapshotter(str(root), store, sync=sync)
    await snapshotter.open()
    archiver = JailArchiver()
    await archiver.open()
    content = LocalContentStore(str(root))
    events = EventBus()
    images = Images(store, content, snapshotter, archiver, events, limits=limits)
    await images.open(dict)
    await snapshotter.sweep([])
    await snapshotter.settle()
    try:
        yield ImageBench(images, content, snapshotter, events, root)
    finally:
        await snapshotter.settle()
        await archiver.close()
        await snapshotter.close()
        store.close()


async def chunks(archive: bytes | Path, size: int = 1 << 18) -> AsyncIterator[bytes]:
    """An archive in pieces."""
    if isinstance(archive, bytes):
        for start in range(0, len(archive), size):
            yield archive[start : start + size]
        return
    with archive.open("rb") as file:
        while data := file.read(size):
            yield data


async def _main(root: str, _verb: str, archive: str) -> None:
    async with image_bench(Path(root), sync=True) as bench:
        print("open", flush=True)
        async for message in bench.images.load(chunks(Path(archive)), quiet=False):
            print(message, flush=True)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
