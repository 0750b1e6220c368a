"""Layers compressed for a registry: gzip on all processors, always to the same bytes."""

from __future__ import annotations

import asyncio
import os
from collections import deque

from wharfie.engine.images.records.leases import Lease
from wharfie.formats.oci.descriptor import DOCKER_LAYER_GZIP, Descriptor
from wharfie.model.content import ContentStore

_BLOCK = 1 << 20
_LEVEL = 2


async def compress(fd: int, content: ContentStore, lease: Lease) -> Descriptor:
    """Make a gzip blob of a file, held by the lease."""
    writer = await content.writer()
    try:
        # Late: few daemons ever push.
        from isal import igzip_threaded  # noqa: PLC0415

        sink = _Sink()
        stream = igzip_threaded.open(  # type: ignore[no-untyped-call]
            sink, "wb", compresslevel=_LEVEL, threads=os.cpu_count() or 1, block_size=_BLOCK
        )

        def step(offset: int) -> tuple[int, bytes]:
            # Always whole blocks: their borders decide what comes out.
            data = os.pread(fd, 4 * _BLOCK, offset)
            stream.write(data)
            return offset + len(data), sink.take()

        size = offset = 0
        end = os.fstat(fd).st_size
        try:
            while offset < end:
                offset, out = await asyncio.to_thread(step, offset)
                size += len(out)
                await writer.write(out)
        finally:
            await asyncio.to_thread(stream.close)
        tail = sink.take()
        await writer.write(tail)
        digest = await lease.commit(writer)
    finally:
        await writer.abort()
    return Descriptor(media_type=DOCKER_LAYER_GZIP, digest=digest, size=size + len(tail))


class _Sink:
    """A file that collects what the compressor's own thread writes."""

    closed = False

    def __init__(self) -> None:
        self._parts: deque[bytes] = deque()

    def write(self, data: bytes) -> int:
        """Take bytes."""
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """What came since the last time."""
        parts = []
        while self._parts:
            parts.append(self._parts.popleft())
        return b"".join(parts)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """What came stays until it is taken."""
