"""Layers as the tars their diff IDs name: from a blob, or packed again from the directory."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from wharfie.engine.images.archives.ingest import inflated_file, write_all
from wharfie.jail.errors import JobError
from wharfie.model.archive import Archiver, Limits
from wharfie.model.content import ContentStore
from wharfie.model.errors import Internal
from wharfie.model.ids import Digest
from wharfie.model.image import Image
from wharfie.model.snapshot import Snapshotter

_PIECE = 1 << 20


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

    async def stream(self, image: Image, number: int) -> tuple[int, AsyncGenerator[bytes]]:
        """The uncompressed tar of a layer: its length, and its bytes to be read once.

        Raises:
            Internal: its blob is gone and its directory no longer packs to it; from the bytes,
                too: what was read then was something else.
        """
        diff_id = image.document.rootfs.diff_ids[number]
        record = self._snapshotter.layer(image.chain_ids[number])
        blob = self._blob(image, number)
        if blob is not None and blob != diff_id and record is not None and record.length:
            return record.length, self._verified(blob, diff_id, record.length)
        fd = await self.open(image, number)
        return os.fstat(fd).st_size, _read(fd)

    async def open(self, image: Image, number: int) -> int:
        """The uncompressed tar of a layer, as a file the caller closes.

        Raises:
            Internal: its blob is gone and its directory no longer packs to it.
        """
        diff_id = image.document.rootfs.diff_ids[number]
        blob = self._blob(image, number)
        if blob == diff_id:
            return os.open(self._content.path(blob), os.O_RDONLY | os.O_CLOEXEC)
        if blob is not None:
            source: AsyncIterator[bytes] = self._inflate(blob)
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

    def _blob(self, image: Image, number: int) -> Digest | None:
        blob = image.layers[number].digest if number < len(image.layers) else None
        return blob if blob is not None and self._content.has(blob) else None

    async def _verified(self, blob: Digest, diff_id: Digest, length: int) -> AsyncGenerator[bytes]:
        """What a blob inflates to, hashed beside: never more than announced."""
        from wharfie.jail.pipeline import Hasher  # noqa: PLC0415 - with what it hashes

        hasher = Hasher()
        try:
            async with aclosing(self._inflate(blob)) as pieces:
                async for data in pieces:
                    # Not the loop's wait: the hasher lags behind at most some pieces.
                    await asyncio.to_thread(hasher.update, data)
                    if hasher.length > length:
                        break
                    yield data
        finally:
            digest = await asyncio.to_thread(hasher.digest)
        if (digest, hasher.length) != (diff_id, length):
            raise Internal(f"blob {blob} is damaged: it inflates to {digest}, not to {diff_id}")

    async def _inflate(self, blob: Digest) -> AsyncGenerator[bytes]:
        fd = os.open(self._content.path(blob), os.O_RDONLY | os.O_CLOEXEC)
        try:
            async with aclosing(inflated_file(fd, self._limits)) as pieces:
                async for data in pieces:
                    yield data
        except JobError as error:
            raise Internal(f"blob {blob} is damaged: {error}") from error
        finally:
            os.close(fd)


async def _read(fd: int) -> AsyncGenerator[bytes]:
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        while data := await asyncio.to_thread(os.read, fd, _PIECE):
            yield data
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
