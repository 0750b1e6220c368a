"""Unpacking an image's layers: side by side, each verified, published base first.

A layer is a directory of its own, so the order of unpacking does not matter; only its
publication needs the layer below. Source: OCI image spec, "Layer DiffID".
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct

from wharfie.engine.images.leases import Lease
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
                writer = await self._snapshotter.begin_layer(layer.parent)
                try:
                    yield writer
                finally:
                    await writer.abort()
        finally:
            lock, users = self._locks.pop(layer.chain_id)
            if users > 1:
                self._locks[layer.chain_id] = (lock, users - 1)


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

    async def unpack(self, layers: Sequence[LayerSource]) -> None:
        """Unpack layers (base first) and publish them, all or none of those.

        Raises:
            InvalidArgument: a bad archive, or not the content its config announces.
        """
        writers: list[LayerWriter] = []
        try:
            results = await self._unpack_all(layers, writers)
            for number, (layer, unpacked) in enumerate(zip(layers, results, strict=True)):
                if unpacked.diff_id != layer.diff_id:
                    raise InvalidArgument(
                        f'invalid diffID for layer {number}: expected "{layer.diff_id}", '
                        f'got "{unpacked.diff_id}"'
                    )
            for layer, writer, unpacked in zip(layers, writers, results, strict=True):
                await writer.commit(
                    chain_id=layer.chain_id, diff_id=layer.diff_id, size=unpacked.size
                )
        finally:
            for writer in writers:
                await writer.abort()

    async def measure(self, blob: Digest, parent: ChainId | None) -> tuple[LayerWriter, Unpacked]:
        """Unpack a blob whose names are not known yet; the caller commits or aborts."""
        writer = await self._snapshotter.begin_layer(parent)
        try:
            return writer, await self._fill(blob, writer)
        except BaseException:
            await writer.abort()
            raise

    async def _unpack_all(
        self, layers: Sequence[LayerSource], writers: list[LayerWriter]
    ) -> list[Unpacked]:
        for layer in layers:
            # One by one: what was begun must be in the list when the next one fails.
            writers.append(await self._snapshotter.begin_layer(layer.parent))  # noqa: PERF401
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._fill(layer.blob, writer))
                    for layer, writer in zip(layers, writers, strict=True)
                ]
        except BaseExceptionGroup as failures:
            # One reason is enough for the user: the others are mostly its consequences.
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _fill(self, blob: Digest, writer: LayerWriter) -> Unpacked:
        async with self._slots:
            fd = os.open(self._content.path(blob), os.O_RDONLY | os.O_CLOEXEC)
            try:
                return await self._archiver.unpack_layer(fd, writer.directory)
            finally:
                os.close(fd)
