"""An uncompressed layer of an archive: spooled, then compressed and unpacked at the same time.

    archive ──▶ file + sha256 ──┬──▶ zstd ──▶ blob
                                └──▶ jail worker ──▶ layer

What comes is only written and hashed, so it comes as fast as it is sent; the layers before it are
compressed and unpacked meanwhile. Compressed they take half the disk, and less time than writing
them plain would.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable

from wharfie.engine.images.records.leases import Lease
from wharfie.formats.oci.descriptor import OCI_LAYER_ZSTD, Descriptor
from wharfie.model.content import ContentStore
from wharfie.model.ids import Digest

_BATCH = 1 << 20
_PIECE = 4 << 20


class PlainFile:
    """A nameless file being written and hashed in a thread, one piece behind what comes."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.size = 0
        self._hash = hashlib.sha256()
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._busy: asyncio.Future[None] | None = None

    async def write(self, data: bytes) -> None:
        """Append bytes."""
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size >= _BATCH:
            await self._flush()

    async def finish(self) -> Digest:
        """The digest of all."""
        await self._flush()
        await self._settle()
        return Digest("sha256:" + self._hash.hexdigest())

    async def close(self) -> None:
        """Let go of it, also under a write that was cancelled."""
        busy, self._busy = self._busy, None
        if busy is not None:
            await asyncio.wait({busy})
            busy.exception()
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    async def _flush(self) -> None:
        await self._settle()
        pending, self._pending, self._pending_size = self._pending, [], 0
        if pending:
            self._busy = asyncio.get_running_loop().run_in_executor(None, self._append, pending)

    async def _settle(self) -> None:
        if self._busy is not None:
            await asyncio.shield(self._busy)
            self._busy = None

    def _append(self, pending: list[bytes]) -> None:
        for data in pending:
            self._hash.update(data)
            view = memoryview(data)
            while view:
                view = view[os.write(self.fd, view) :]
            self.size += len(data)


async def compressed(fd: int, size: int, content: ContentStore, lease: Lease) -> Descriptor:
    """Make a blob of a file, held by the lease; the file's own position does not matter."""
    import zstandard  # noqa: PLC0415 - late: codecs take 30 ms to import

    compressor = zstandard.ZstdCompressor(level=1).compressobj(size=size)

    def step(offset: int) -> bytes:
        return compressor.compress(os.pread(fd, _PIECE, offset))

    stored = 0
    writer = await content.writer()
    try:
        for offset in range(0, size, _PIECE):
            out = await _in_thread(step, offset)
            stored += len(out)
            await writer.write(out)
        tail = compressor.flush()
        stored += len(tail)
        await writer.write(tail)
        digest = await lease.commit(writer)
    finally:
        await writer.abort()
    return Descriptor(media_type=OCI_LAYER_ZSTD, digest=digest, size=stored)


async def _in_thread(step: Callable[[int], bytes], offset: int) -> bytes:
    """A step whose file must not be closed under it, although its caller was cancelled."""
    stepping = asyncio.get_running_loop().run_in_executor(None, step, offset)
    try:
        return await asyncio.shield(stepping)
    except asyncio.CancelledError:
        await asyncio.wait({stepping})
        raise
