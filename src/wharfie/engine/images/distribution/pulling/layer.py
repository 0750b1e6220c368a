"""One layer of a pull: downloaded, verified and unpacked at the same time.

    registry ──ranges──▶ partial blob ──┬──▶ sha256 ──▶ blob
                                        └──▶ jail worker ──▶ layer, once digest and diff ID agree

Hash and worker follow the file from its beginning as that grows, and read what lies in the page
cache. The blob is published when it is verified, the layer when the layer below is.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar

from msgspec import Struct

from wharfie.engine.images.distribution.slots import Slots
from wharfie.engine.images.layers import LayerSource, LayerStore
from wharfie.engine.images.progress import Board
from wharfie.engine.images.records.leases import Lease
from wharfie.model.archive import Archiver, Unpacked
from wharfie.model.content import ContentStore, Descriptor, PartialBlob
from wharfie.model.errors import Internal, InvalidArgument
from wharfie.model.ids import Digest, short
from wharfie.model.registry import Repository
from wharfie.model.snapshot import LayerWriter

T = TypeVar("T")

_PIECE = 256 << 10
_HASH_PIECE = 4 << 20


class LayerJob(Struct, frozen=True, kw_only=True):
    """A layer to fetch.

    Attributes:
        source: its names and its parent.
        descriptor: its blob.
        number: in the image, base 0.
    """

    source: LayerSource
    descriptor: Descriptor
    number: int

    @property
    def name(self) -> str:
        """What progress calls it."""
        return short(self.descriptor.digest)


class LayerFetcher:
    """Fetches layers of one pull."""

    def __init__(
        self,
        *,
        content: ContentStore,
        archiver: Archiver,
        layers: LayerStore,
        downloads: Slots,
        repository: Repository,
        lease: Lease,
        board: Board,
        arrived: Callable[[int], None],
    ) -> None:
        """Begin; touches nothing.

        Args:
            content: keeps blobs.
            archiver: unpacks them.
            layers: what they become.
            downloads: how many may come at the same time.
            repository: where from.
            lease: holds what is made.
            board: for progress.
            arrived: called with the bytes of each piece that came.
        """
        self._arrived = arrived
        self._content = content
        self._archiver = archiver
        self._layers = layers
        self._downloads = downloads
        self._repository = repository
        self._lease = lease
        self._board = board

    async def fetch(self, job: LayerJob, below: asyncio.Task[None] | None) -> None:
        """Have the layer, whatever it takes.

        Args:
            job: the layer.
            below: done when the layer it stands on is there.

        Raises:
            EngineError: it cannot be had.
        """
        self._lease.hold_blob(job.descriptor.digest)
        async with self._layers.claim(job.source) as writer:
            if writer is None:
                await _done(below)
                self._board.status("Pull complete", job.name)
                return
            unpacked = await self._unpack(job, writer)
            if unpacked.diff_id != job.source.diff_id:
                raise InvalidArgument(
                    f"layer {job.descriptor.digest} is not what its image's config says: "
                    f'invalid diffID for layer {job.number}: expected "{job.source.diff_id}", '
                    f'got "{unpacked.diff_id}"'
                )
            await _done(below)
            await writer.commit(
                chain_id=job.source.chain_id,
                diff_id=job.source.diff_id,
                parent=job.source.parent,
                size=unpacked.size,
                length=unpacked.length,
            )
        self._board.status("Pull complete", job.name)

    async def fetch_blob(self, job: LayerJob) -> None:
        """Have the blob of a layer that is here unpacked."""
        self._lease.hold_blob(job.descriptor.digest)
        async with self._partial(job) as partial:
            if not self._content.has(job.descriptor.digest):
                with _Follower(partial) as follower:
                    await self._download(job, partial, follower)

    async def _unpack(self, job: LayerJob, writer: LayerWriter) -> Unpacked:
        if not await self._has_blob(job):
            async with self._partial(job) as partial:
                if not self._content.has(job.descriptor.digest):
                    return await self._unpack_partial(job, writer, partial)
        return await self._unpack_blob(job, writer)

    async def _has_blob(self, job: LayerJob) -> bool:
        digest = job.descriptor.digest
        if not self._content.has(digest):
            return False
        if self._content.is_kept(digest):
            # Of a pull that was cut off, perhaps by a power cut: it was not synced yet.
            found = await asyncio.to_thread(_digest_of, self._content.path(digest))
            if found != digest:
                await self._lease.drop(digest)
                return False
        return True

    @asynccontextmanager
    async def _partial(self, job: LayerJob) -> AsyncIterator[PartialBlob]:
        partial = await self._content.partial(job.descriptor.digest, job.descriptor.size)
        try:
            yield partial
        finally:
            await partial.close()

    async def _unpack_blob(self, job: LayerJob, writer: LayerWriter) -> Unpacked:
        self._board.status("Download complete", job.name)
        size = job.descriptor.size
        self._board.count("Extracting", job.name, 0, size)
        fd = os.open(self._content.path(job.descriptor.digest), os.O_RDONLY | os.O_CLOEXEC)
        try:
            unpacked = await self._archiver.unpack_layer(fd, writer.directory)
        finally:
            os.close(fd)
        self._board.count("Extracting", job.name, size, size)
        return unpacked

    async def _unpack_partial(
        self, job: LayerJob, writer: LayerWriter, partial: PartialBlob
    ) -> Unpacked:
        with _Follower(partial) as follower:
            unpacked = await _both(
                self._download(job, partial, follower), self._follow(job, writer, follower)
            )
        if isinstance(unpacked, InvalidArgument):
            raise unpacked
        return unpacked

    async def _follow(
        self, job: LayerJob, writer: LayerWriter, follower: _Follower
    ) -> Unpacked | InvalidArgument:
        """Unpack what comes. A bad archive is the second thing to say: first its digest counts."""
        size = job.descriptor.size

        def told(read: int) -> None:
            if follower.is_complete:
                self._board.count("Extracting", job.name, read, size)

        # A worker for each layer that comes, not for all that wait.
        await follower.begun.wait()
        try:
            return await self._archiver.unpack_growing(
                follower.descriptor,
                writer.directory,
                size=size,
                growth=follower.growth(),
                told=told,
            )
        except InvalidArgument as error:
            return error

    async def _download(self, job: LayerJob, partial: PartialBlob, follower: _Follower) -> None:
        size = job.descriptor.size

        before = partial.present

        def progress() -> None:
            nonlocal before
            self._arrived(partial.present - before)
            before = partial.present
            follower.advance()
            self._board.count("Downloading", job.name, partial.present, size)

        async def fetch() -> None:
            if self._downloads.is_full:
                self._board.status("Waiting", job.name)
            async with self._downloads:
                follower.begun.set()
                await self._repository.download(job.descriptor, partial, progress)
            self._board.status("Verifying Checksum", job.name)

        digest = await _both(fetch(), follower.digest())
        await self._lease.publish(partial, digest)
        follower.is_complete = True
        self._board.status("Download complete", job.name)


class _Follower:
    """Reads a partial blob from its beginning while it grows."""

    def __init__(self, partial: PartialBlob) -> None:
        # A descriptor of its own: publishing closes the other.
        self.descriptor = os.dup(partial.descriptor)
        self.is_complete = False
        self.begun = asyncio.Event()
        """Bytes may come now."""
        self._partial = partial
        self._size = partial.size
        self._prefix = partial.prefix
        self._waiters: list[asyncio.Future[None]] = []

    def advance(self) -> None:
        """Bytes were added."""
        prefix = self._partial.prefix
        if prefix > self._prefix:
            self._prefix = prefix
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    async def growth(self) -> AsyncIterator[int]:
        """How many bytes have come, again and again, up to the whole."""
        position = 0
        while position < self._size:
            end = await self._beyond(position)
            yield end - position
            position = end

    async def digest(self) -> Digest:
        """The digest of the whole, once it is there."""
        found = hashlib.sha256()
        # One piece of memory for all: fresh pages cost more than hashing them.
        piece = memoryview(bytearray(min(_PIECE, self._size)))

        def take(start: int, end: int) -> None:
            while start < end:
                read = os.preadv(self.descriptor, [piece[: end - start]], start)
                if not read:
                    raise Internal(f"a blob on its way was cut to {start} bytes")
                found.update(piece[:read])
                start += read

        position = 0
        while position < self._size:
            end = min(await self._beyond(position), position + _HASH_PIECE)
            await asyncio.to_thread(take, position, end)
            position = end
        return Digest("sha256:" + found.hexdigest())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.descriptor)

    async def _beyond(self, position: int) -> int:
        while self._prefix <= position:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        return self._prefix


def _digest_of(path: str) -> str:
    with open(path, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


async def _done(below: asyncio.Task[None] | None) -> None:
    if below is not None:
        await asyncio.shield(below)


async def _both(
    first: Coroutine[object, object, object], second: Coroutine[object, object, T]
) -> T:
    """Two things at once, to the result of the second; the first failure ends both."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(first)
            other = group.create_task(second)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return other.result()
