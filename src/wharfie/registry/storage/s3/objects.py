"""Objects of a bucket: those that are whole, and those on their way.

An object on its way is a row of segments, each a whole object of the bucket, beside an empty one
that stands for it:

    <key>                     empty: the staging is there
    <key>@<offset, 20 digits> bytes from there on; written when a request ends, or is read from

So an upload survives a restart, and may go on at another process. One segment, which is what a
client that sends a layer in one request makes, becomes its object by a copy within the store;
several are joined by reading and writing them once more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import obstore
from msgspec import Struct
from obstore.store import S3Store

from wharfie.registry.ports import NoSuchKey
from wharfie.registry.storage.s3.failures import translated

PIECE = 1 << 20
_LARGEST_COPY = 5 << 30


class Writer(Protocol):
    """An object being written, in parts."""

    async def write(self, buffer: bytes, /) -> int:
        """Add bytes."""

    async def close(self) -> None:
        """Make it an object."""


Version = tuple[str, str, str]
"""Path, entity tag and time of an object: another one when it is replaced."""


class Segment(Struct, frozen=True):
    """A part of an object on its way."""

    start: int
    size: int


class S3Object:
    """See `ports.storage.OpenObject`."""

    def __init__(self, bucket: S3Store, size: int, version: Version, doubted: set[Version]) -> None:
        self._bucket = bucket
        self._path = version[0]
        self._size = size
        self._version = version
        self._doubted = doubted

    @property
    def size(self) -> int:
        """Bytes of the whole."""
        return self._size

    @property
    def descriptor(self) -> int:
        """There is no file."""
        return -1

    def is_sound(self, digest: str) -> bool:  # noqa: ARG002 - of the port
        """The store keeps checksums of its own; scrub may know better."""
        return self._version not in self._doubted

    def vouch(self, digest: str) -> None:
        """Nothing needs to be remembered."""

    def doubt(self) -> None:
        """Remember that these bytes, until they are replaced, are broken."""
        self._doubted.add(self._version)

    def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """A part of it."""
        return read_range(self._bucket, self._path, start, end)

    def close(self) -> None:
        """Nothing is held."""


class S3Staging:
    """See `ports.storage.Staging`."""

    def __init__(
        self, bucket: S3Store, path: str, segments: list[Segment], *, prefix: str, chunk: int
    ) -> None:
        self._bucket = bucket
        self._path = path
        self._segments = segments
        self._prefix = prefix
        self._chunk = chunk
        self._size = segments[-1].start + segments[-1].size if segments else 0
        self._begun = self._size
        self._writer: Writer | None = None

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self._size

    @property
    def is_live(self) -> bool:
        """Reading ends a segment, so it is for once, not for followers."""
        return False

    async def append(self, *pieces: bytes) -> None:
        """Add bytes to the segment that was begun."""
        try:
            with translated(self._path):
                if self._writer is None:
                    self._begun = self._size
                    path = segment_path(self._path, self._begun)
                    self._writer = obstore.open_writer_async(
                        self._bucket, path, buffer_size=self._chunk
                    )
                for piece in pieces:
                    await self._writer.write(piece)
        except BaseException:
            # How much of the segment is there, nobody knows: it never becomes an object.
            self._writer, self._size = None, self._begun
            raise
        self._size += sum(map(len, pieces))

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """A part of it."""
        await self._end_segment()
        for segment in self._segments:
            low, high = max(start, segment.start), min(end, segment.start + segment.size)
            if low < high:
                path = segment_path(self._path, segment.start)
                async for chunk in read_range(
                    self._bucket, path, low - segment.start, high - segment.start
                ):
                    yield chunk

    async def publish(self, key: str, digest: str) -> None:  # noqa: ARG002 - of the port
        """Make it an object."""
        await self._end_segment()
        to = self._prefix + key
        with translated(key):
            if len(self._segments) == 1 and self._size <= _LARGEST_COPY:
                source = segment_path(self._path, self._segments[0].start)
                await obstore.copy_async(self._bucket, source, to)
            else:
                await self._join(to)
            paths = [segment_path(self._path, one.start) for one in self._segments]
            await obstore.delete_async(self._bucket, [*paths, self._path])
        self._segments, self._size = [], 0

    async def close(self) -> None:
        """Keep what is there."""
        await self._end_segment()

    async def _end_segment(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        with translated(self._path):
            await writer.close()
        self._segments.append(Segment(self._begun, self._size - self._begun))

    async def _join(self, to: str) -> None:
        if self._size <= self._chunk:
            data = b"".join([chunk async for chunk in self.read(0, self._size)])
            await obstore.put_async(self._bucket, to, data)
            return
        writer = obstore.open_writer_async(self._bucket, to, buffer_size=self._chunk)
        async for chunk in self.read(0, self._size):
            await writer.write(chunk)
        await writer.close()


def segment_path(path: str, start: int) -> str:
    """Where a segment lies."""
    return f"{path}@{start:020d}"


async def read_range(bucket: S3Store, path: str, start: int, end: int) -> AsyncIterator[bytes]:
    """Yield a part of an object; OSError where it is shorter, or gone meanwhile."""
    if start >= end:
        return
    left = end - start
    try:
        with translated(path):
            found = await obstore.get_async(bucket, path, options={"range": (start, end)})
            async for chunk in found.stream(min_chunk_size=PIECE):
                data = bytes(chunk)
                left -= len(data)
                yield data
    except NoSuchKey:
        raise FileNotFoundError(path) from None
    if left:
        raise OSError(f"an object is {left} bytes short of {end}")
