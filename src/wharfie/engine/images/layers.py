"""Unpacking an image's layers: side by side, each verified, published base first.

A layer is a directory of its own, so the order of unpacking does not matter; only its
publication needs the layer below. Source: OCI image spec, "Layer DiffID".
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct

from wharfie.engine.images.records.leases import Lease
from wharfie.model.archive import Archiver, Unpacked
from wharfie.model.content import ContentStore
from wharfie.model.errors import InvalidArgument
from wharfie.model.ids import ChainId, Digest
from wharfie.model.snapshot import LayerWriter, Snapshotter

_AT_ONCE = 4


class LayerSource(Struct, frozen=True, kw_only=True):
    """A layer to have: its names, what is below, and the blob that holds it."""

    diff_id: Digest
    chain_id: ChainId
    parent: ChainId | None
    blob: Digest


class LayerStore:
    """Layers being made, each by one at a time."""

    def __init__(self, snapshotter: Snapshotter) -> None:
        self._snapshotter = snapshotter
        self._locks: dict[ChainId, tuple[asyncio.Lock, int]] = {}

    def has(self, layer: LayerSource) -> bool:
        """Tell whether a layer is there."""
        return self._snapshotter.layer(layer.chain_id) is not None

    @asynccontextmanager
    async def claim(self, layer: LayerSource) -> AsyncIterator[LayerWriter | None]:
        """A writer for a layer that is to be made; None when somebody has made it meanwhile.

        What was not committed at the end of the block is dropped.
        """
        lock, users = self._locks.get(layer.chain_id, (asyncio.Lock(), 0))
        self._locks[layer.chain_id] = (lock, users + 1)
        try:
            async with lock:
                if self.has(layer):
                    yield None
                    return
                writer = await self._snapshotter.begin_layer()
                try:
                    yield writer
                finally:
                    await writer.abort()
        finally:
            lock, users = self._locks.pop(layer.chain_id)
            if users > 1:
                self._locks[layer.chain_id] = (lock, users - 1)


class Filled(Struct, frozen=True):
    """A layer unpacked and not yet published: its writer, and what was found in the blob."""

    writer: LayerWriter
    unpacked: Unpacked


Take = Callable[[Digest], Awaitable[Filled | None]]
"""Gives the layer of a blob, if it was unpacked already."""


async def _nothing_early(_: Digest) -> Filled | None:
    return None


class Unpacker:
    """Makes layers of blobs."""

    def __init__(self, content: ContentStore, snapshotter: Snapshotter, archiver: Archiver) -> None:
        self._content = content
        self._snapshotter = snapshotter
        self._archiver = archiver
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def missing(self, layers: Sequence[LayerSource], lease: Lease) -> list[LayerSource]:
        """Hold all layers; return those that have to be unpacked."""
        for layer in layers:
            lease.hold_chain(layer.chain_id)
        return [layer for layer in layers if self._snapshotter.layer(layer.chain_id) is None]

    async def unpack(self, layers: Sequence[LayerSource], take: Take = _nothing_early) -> None:
        """Unpack layers (base first) and publish them, all or none of those.

        Args:
            layers: those that are missing.
            take: gives what was unpacked already.

        Raises:
            InvalidArgument: a bad archive, or not the content its config announces.
        """
        made: dict[int, Filled] = {}
        try:
            await self._unpack_all(layers, take, made)
            for number, layer in enumerate(layers):
                if made[number].unpacked.diff_id != layer.diff_id:
                    raise InvalidArgument(
                        f'invalid diffID for layer {number}: expected "{layer.diff_id}", '
                        f'got "{made[number].unpacked.diff_id}"'
                    )
            for number, layer in enumerate(layers):
                await made[number].writer.commit(
                    chain_id=layer.chain_id,
                    diff_id=layer.diff_id,
                    parent=layer.parent,
                    size=made[number].unpacked.size,
                    length=made[number].unpacked.length,
                )
        finally:
            for filled in made.values():
                await filled.writer.abort()

    async def measure(self, blob: Digest) -> Filled:
        """Unpack a blob whose names are not known yet; the caller commits or aborts."""
        writer = await self._snapshotter.begin_layer()
        try:
            return Filled(writer, await self._fill(blob, writer))
        except BaseException:
            await writer.abort()
            raise

    async def _unpack_all(
        self, layers: Sequence[LayerSource], take: Take, made: dict[int, Filled]
    ) -> None:
        """Unpack side by side; what is done is in `made` even if another fails."""

        async def one(number: int, blob: Digest) -> None:
            made[number] = await take(blob) or await self.measure(blob)

        try:
            async with asyncio.TaskGroup() as group:
                for number, layer in enumerate(layers):
                    group.create_task(one(number, layer.blob))
        except BaseExceptionGroup as failures:
            # One reason is enough for the user: the others are mostly its consequences.
            raise failures.exceptions[0] from None

    async def _fill(self, blob: Digest, writer: LayerWriter) -> Unpacked:
        async with self._slots:
            fd = os.open(self._content.path(blob), os.O_RDONLY | os.O_CLOEXEC)
            try:
                return await self._archiver.unpack_layer(fd, writer.directory)
            finally:
                os.close(fd)
