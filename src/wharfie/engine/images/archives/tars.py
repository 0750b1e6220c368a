"""Layers as the tars their diff IDs name: from a blob, or packed again from the directory."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator

from wharfie.engine.images.archives.ingest import inflated_file, write_all
from wharfie.jail.errors import JobError
from wharfie.model.archive import Archiver, Limits
from wharfie.model.content import ContentStore
from wharfie.model.errors import Internal
from wharfie.model.ids import Digest
from wharfie.model.image import Image
from wharfie.model.snapshot import Snapshotter


class LayerTars:
    """Opens layers."""

    def __init__(
        self,
        *,
        content: ContentStore,
        snapshotter: Snapshotter,
        archiver: Archiver,
        limits: Limits,
    ) -> None:
        self._content = content
        self._snapshotter = snapshotter
        self._archiver = archiver
        self._limits = limits

    async def open(self, image: Image, number: int) -> int:
        """The uncompressed tar of a layer, as a file the caller closes.

        Raises:
            Internal: its blob is gone and its directory no longer packs to it.
        """
        diff_id = image.document.rootfs.diff_ids[number]
        blob = image.layers[number].digest if number < len(image.layers) else None
        if blob == diff_id and self._content.has(blob):
            return os.open(self._content.path(blob), os.O_RDONLY | os.O_CLOEXEC)
        if blob is not None and self._content.has(blob):
            source = self._inflate(blob)
        else:
            layer = self._snapshotter.layer(image.chain_ids[number])
            if layer is None:
                raise Internal(f"layer {diff_id} is missing: load or pull the image again")
            source = self._archiver.pack_layer(self._snapshotter.layer_directory(layer))
        fd = await self._content.scratch()
        try:
            digest = await _spool(source, fd)
        except BaseException:
            os.close(fd)
            raise
        if digest != diff_id:
            os.close(fd)
            raise Internal(f"layer {diff_id} cannot be packed as it was: it became {digest}")
        return fd

    async def _inflate(self, blob: Digest) -> AsyncIterator[bytes]:
        fd = os.open(self._content.path(blob), os.O_RDONLY | os.O_CLOEXEC)
        try:
            async for data in inflated_file(fd, self._limits):
                yield data
        except JobError as error:
            raise Internal(f"blob {blob} is damaged: {error}") from error
        finally:
            os.close(fd)


async def _spool(source: AsyncIterator[bytes], fd: int) -> Digest:
    """Write a stream to a file; the digest of it."""
    digest = hashlib.sha256()

    def take(data: bytes) -> None:
        digest.update(data)
        write_all(fd, data)

    async for data in source:
        await asyncio.to_thread(take, data)
    return Digest("sha256:" + digest.hexdigest())
