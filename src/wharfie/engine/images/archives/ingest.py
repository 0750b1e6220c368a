"""The outer tar of an image archive: read once, as it comes, into blobs.

The archive is hostile. Nothing of it is unpacked: members become blobs named by their digest
(small ones stay in memory), and names are only looked up. An uncompressed layer is stored
compressed, which halves the disk it takes and costs less than writing it would. A compressed
archive is spooled first, since only a file can be inflated with bounded memory.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import posixpath
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from msgspec import Struct

from wharfie.engine.images.records.leases import Lease
from wharfie.formats.digest import sha256_digest
from wharfie.formats.oci.archive import BLOBS, clean_path
from wharfie.formats.oci.descriptor import (
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    Descriptor,
)
from wharfie.formats.oci.document import DocumentError
from wharfie.formats.tar import Chunk, End, FormatError, Kind, Member, Reader
from wharfie.jail.errors import JobError
from wharfie.model.archive import Limits
from wharfie.model.content import BlobWriter, ContentStore
from wharfie.model.errors import InvalidArgument
from wharfie.model.ids import Digest

if TYPE_CHECKING:
    import zstandard

_BATCH = 1 << 20
_SMALL = 256 << 10
_SMALL_TOTAL = 64 << 20
_MAX_MEMBERS = 100_000
_MAX_LINKS = 16
_USTAR = slice(257, 262)
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Stored(Struct, frozen=True, kw_only=True):
    """A member kept as a blob.

    Attributes:
        digest: of the member's bytes.
        size: of the member.
        blob: what is in the content store: the same bytes, or the same compressed.
    """

    digest: Digest
    size: int
    blob: Descriptor


Known = Callable[[Digest], "Stored | None"]


class Archive:
    """Members of an image archive by cleaned name."""

    def __init__(self, content: ContentStore, lease: Lease, known: Known = lambda _: None) -> None:
        self._content = content
        self._lease = lease
        self._known = known
        self._members: dict[str, Stored | bytes] = {}
        self._links: dict[str, str] = {}

    def add(self, path: str, member: Stored | bytes) -> None:
        """Add a file; a later one of the same name replaces it, as in any tar."""
        self._links.pop(path, None)
        self._members[path] = member

    def link(self, path: str, target: str) -> None:
        """Add a link to another member."""
        self._members.pop(path, None)
        self._links[path] = target

    def __contains__(self, path: str) -> bool:
        return self._resolve(path) in self._members

    async def read(self, path: str, *, limit: int) -> bytes:
        """A document of at most `limit` bytes.

        Raises:
            InvalidArgument: missing, too large, or not what its name says.
        """
        member = self._get(path)
        if isinstance(member, Stored):
            if member.size > limit:
                raise InvalidArgument(f"{path} is too large: {member.size} bytes")
            data = await self._content.read(member.blob.digest)
        else:
            data = member
        if len(data) > limit:
            raise InvalidArgument(f"{path} is too large: {len(data)} bytes")
        _check_name(path, sha256_digest(data))
        return data

    async def blob(self, path: str) -> Stored:
        """A member as a blob; one that is left out may be there already, by its name.

        Raises:
            InvalidArgument: missing, or not what its name says.
        """
        if path not in self and path.startswith(BLOBS):
            stored = self._known(Digest("sha256:" + path.removeprefix(BLOBS)))
            if stored is not None:
                return stored
        member = self._get(path)
        if isinstance(member, bytes):
            digest = await self._lease.put(member)
            blob = Descriptor(media_type=_media_type(member), digest=digest, size=len(member))
            member = Stored(digest=digest, size=len(member), blob=blob)
            self._members[self._resolve(path)] = member
        _check_name(path, member.digest)
        return member

    def _get(self, path: str) -> Stored | bytes:
        try:
            return self._members[self._resolve(path)]
        except KeyError:
            raise InvalidArgument(f"invalid archive: {path} is missing") from None

    def _resolve(self, path: str) -> str:
        for _ in range(_MAX_LINKS):
            if path not in self._links:
                return path
            path = self._links[path]
        raise InvalidArgument(f"invalid archive: too many links at {path}")


async def ingest(
    source: AsyncIterator[bytes],
    content: ContentStore,
    lease: Lease,
    limits: Limits,
    *,
    known: Known = lambda _: None,
    arrived: Callable[[Stored], None] = lambda _: None,
) -> Archive:
    """Read an image archive (tar, plain or compressed) to its end.

    Args:
        source: the archive.
        content: where its blobs go.
        lease: holds them.
        limits: against bombs.
        known: finds a layer that is here, by diff ID.
        arrived: told of each member kept as a blob, while others still come in.

    Raises:
        InvalidArgument: not a tar, truncated, or beyond the limits.
    """
    archive = Archive(content, lease, known)
    intake = _Intake(archive, content, lease, limits, arrived)
    try:
        async with aclosing(inflated(source, content, limits)) as pieces:
            async for data in pieces:
                for event in intake.reader.feed(data):
                    await intake.take(event)
        intake.finish()
    except (FormatError, DocumentError, JobError) as error:
        raise InvalidArgument(f"invalid archive: {error}") from None
    finally:
        await intake.abandon()
    return archive


class _Intake:
    """Turns the reader's events into members."""

    def __init__(
        self,
        archive: Archive,
        content: ContentStore,
        lease: Lease,
        limits: Limits,
        arrived: Callable[[Stored], None],
    ) -> None:
        self.reader = Reader()
        self._arrived = arrived
        self._archive = archive
        self._content = content
        self._lease = lease
        self._limits = limits
        self._path = ""
        self._small: bytearray | None = None
        self._sink: BlobSink | None = None
        self._count = self._total = self._small_total = 0

    async def take(self, event: Member | Chunk | End) -> None:
        match event:
            case Member():
                await self._begin(event)
            case Chunk():
                if self._small is not None:
                    self._small += event.data
                elif self._sink is not None:
                    await self._sink.write(bytes(event.data))
            case End():
                await self._end()

    def finish(self) -> None:
        self.reader.close()
        if not self._count:
            raise FormatError("the archive is empty")

    async def abandon(self) -> None:
        if self._sink is not None:
            await self._sink.abort()

    async def _begin(self, member: Member) -> None:
        self._count += 1
        self._total += member.size
        if self._count > _MAX_MEMBERS:
            raise FormatError(f"more than {_MAX_MEMBERS} members")
        if self._total > self._limits.size:
            raise FormatError(f"more than {self._limits.size} bytes")
        if member.sparse:
            raise FormatError("sparse members are not accepted")
        if member.kind is Kind.DIRECTORY:
            return
        self._path = clean_path(member.path.decode(errors="surrogateescape"))
        if member.kind in (Kind.SYMLINK, Kind.HARD_LINK):
            self._archive.link(self._path, _link_target(self._path, member))
        elif member.kind is not Kind.FILE:
            raise FormatError(f"{self._path}: neither a file nor a directory nor a link")
        elif member.size <= _SMALL and self._small_total + member.size <= _SMALL_TOTAL:
            self._small_total += member.size
            self._small = bytearray()
        else:
            self._sink = BlobSink(self._content, self._lease)

    async def _end(self) -> None:
        if self._small is not None:
            data, self._small = bytes(self._small), None
            self._archive.add(self._path, data)
        elif self._sink is not None:
            stored = await self._sink.finish()
            self._sink = None
            self._archive.add(self._path, stored)
            self._arrived(stored)


class BlobSink:
    """Writes one blob, compressing what is a plain tar.

    Threads hash and compress a piece while the next one comes in.
    """

    def __init__(self, content: ContentStore, lease: Lease) -> None:
        self._content = content
        self._lease = lease
        self._writer: BlobWriter | None = None
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._hash = hashlib.sha256()
        self._size = 0
        self._stored_size = 0
        self._media_type = ""
        self._compressor: zstandard.ZstdCompressionObj | None = None
        self._hashing: asyncio.Future[None] | None = None
        self._packing: asyncio.Future[bytes] | None = None

    async def write(self, data: bytes) -> None:
        """Append bytes."""
        if self._writer is not None and self._compressor is None:
            self._size += len(data)
            self._stored_size += len(data)
            await self._writer.write(data)  # which collects and hashes for itself
            return
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size >= _BATCH:
            await self._flush()

    async def finish(self) -> Stored:
        """Publish the blob under the lease."""
        writer = await self._flush()
        if self._compressor is not None:
            await self._settle()
            tail = await asyncio.to_thread(self._compressor.flush)
            self._stored_size += len(tail)
            await writer.write(tail)
        stored = await self._lease.commit(writer)
        digest = Digest("sha256:" + self._hash.hexdigest()) if self._compressor else stored
        blob = Descriptor(media_type=self._media_type, digest=stored, size=self._stored_size)
        return Stored(digest=digest, size=self._size, blob=blob)

    async def abort(self) -> None:
        """Drop what was written; after `finish` nothing happens."""
        if self._writer is not None:
            await self._writer.abort()

    async def _flush(self) -> BlobWriter:
        data = b"".join(self._pending)
        self._pending, self._pending_size = [], 0
        if self._writer is None:
            self._writer = await self._content.writer()
            self._media_type = _media_type(data)
            if self._media_type == OCI_LAYER and data[_USTAR] == b"ustar":
                import zstandard  # noqa: PLC0415 - late, as in inflated_file

                self._media_type = OCI_LAYER_ZSTD
                self._compressor = zstandard.ZstdCompressor(level=1).compressobj()
        self._size += len(data)
        if self._compressor is None:  # as it comes, it is hashed by the writer
            self._stored_size += len(data)
            await self._writer.write(data)
        else:
            await self._settle()
            loop = asyncio.get_running_loop()
            self._hashing = loop.run_in_executor(None, self._hash.update, data)
            self._packing = loop.run_in_executor(None, self._compressor.compress, data)
        return self._writer

    async def _settle(self) -> None:
        """Wait for the piece in work."""
        if self._hashing is not None and self._packing is not None and self._writer is not None:
            await self._hashing
            out = await self._packing
            self._hashing = self._packing = None
            self._stored_size += len(out)
            await self._writer.write(out)


async def inflated_file(fd: int, limits: Limits) -> AsyncGenerator[bytes]:
    """Content of a file, decompressed ahead in a thread; until that is gone the file is used.

    Raises:
        JobError: damaged, or beyond the limits.
    """
    # Late: codecs take 30 ms to import and most daemons never see a compressed archive.
    from wharfie.jail.inflate import Source, chunks  # noqa: PLC0415
    from wharfie.jail.pipeline import ReadAhead  # noqa: PLC0415

    ahead = ReadAhead(chunks(Source.of(fd), limits))
    pieces = iter(ahead)
    loop = asyncio.get_running_loop()
    batch: asyncio.Future[bytes] | None = None
    try:
        while True:
            batch = loop.run_in_executor(None, _next_batch, pieces)
            data = await asyncio.shield(batch)
            if not data:
                return
            yield data
    finally:
        # Who is cancelled leaves a thread behind that reads: it ends with what it reads from.
        await asyncio.to_thread(ahead.close)
        if batch is not None:
            await asyncio.wait({batch})


def _next_batch(pieces: Iterator[bytes]) -> bytes:
    batch: list[bytes] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += len(piece)
        if size >= _BATCH:
            break
    return b"".join(batch)


async def inflated(
    source: AsyncIterator[bytes], content: ContentStore, limits: Limits
) -> AsyncGenerator[bytes]:
    """A stream, decompressed if it is compressed.

    Raises:
        JobError: damaged, or beyond the limits.
    """
    head = b""
    async for data in source:
        head += data
        if len(head) >= len(_ZSTD):
            break
    if not _is_compressed(head):
        yield head
        async for data in source:
            yield data
        return
    fd = await content.scratch()
    try:
        await asyncio.to_thread(write_all, fd, head)
        async for data in source:
            await asyncio.to_thread(write_all, fd, data)
        os.lseek(fd, 0, os.SEEK_SET)
        async with aclosing(inflated_file(fd, limits)) as pieces:
            async for data in pieces:
                yield data
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write all of it; blocks."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _is_compressed(head: bytes) -> bool:
    return head.startswith((_GZIP, _ZSTD, b"BZh", b"\xfd7zXZ"))


def _media_type(head: bytes) -> str:
    if head.startswith(_GZIP):
        return OCI_LAYER_GZIP
    return OCI_LAYER_ZSTD if head.startswith(_ZSTD) else OCI_LAYER


def _check_name(path: str, digest: Digest) -> None:
    """A member below blobs/ must be what its name says."""
    if path.startswith(BLOBS) and "sha256:" + path.removeprefix(BLOBS) != digest:
        raise InvalidArgument(f"invalid archive: {path} has digest {digest}")


def _link_target(path: str, member: Member) -> str:
    target = member.link.decode(errors="surrogateescape")
    if member.kind is Kind.SYMLINK:
        target = posixpath.join(posixpath.dirname(path), target)
    return clean_path(target)
