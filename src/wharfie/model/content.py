"""Content: blobs named by digest, verified whenever written.

A blob appears under its final name only by rename after fsync; what a reader opens is whole.
Source: OCI image spec, descriptor and image layout.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from wharfie.formats.oci.descriptor import Descriptor as Descriptor  # noqa: PLC0414 - re-export
from wharfie.formats.oci.descriptor import Platform as Platform  # noqa: PLC0414 - re-export
from wharfie.model.ids import Digest


class BlobWriter(Protocol):
    """A blob being written; nothing is visible before `commit`."""

    async def write(self, data: bytes) -> None:
        """Append bytes."""

    async def commit(self, expected: Digest | None = None) -> Digest:
        """Verify and publish; returns the digest. See `ContentStore.sync`.

        Raises:
            InvalidArgument: the bytes do not have the `expected` digest; nothing is kept.
        """

    async def abort(self) -> None:
        """Drop what was written; after a commit nothing happens."""


class PartialBlob(Protocol):
    """A blob on its way, kept over restarts: ranges come in any order, none twice.

    One holder at a time; `size` is final when it is made.
    """

    @property
    def size(self) -> int:
        """Bytes of the whole blob."""

    @property
    def descriptor(self) -> int:
        """The file, open for reading; bytes that are missing read as zeroes."""

    @property
    def present(self) -> int:
        """Bytes that are there."""

    @property
    def prefix(self) -> int:
        """Bytes that are there from the beginning on."""

    def gaps(self) -> Sequence[tuple[int, int]]:
        """What is missing, as (start, end), in pieces no larger than one chunk."""

    async def write(self, offset: int, data: bytes | memoryview) -> None:
        """Add bytes.

        Raises:
            Internal: no space left, or another fault of the disk.
        """

    async def publish(self, actual: Digest) -> Digest:
        """Make it a blob; `actual` is the digest of the bytes that are there.

        Raises:
            InvalidArgument: that is not the digest it was begun for; nothing is kept.
        """

    async def drop(self) -> None:
        """Forget what came."""

    async def close(self) -> None:
        """Keep what came for another time; after `publish` or `drop` nothing happens."""


class ContentStore(Protocol):
    """Blobs on disk."""

    async def writer(self) -> BlobWriter:
        """Begin a blob."""

    async def partial(self, digest: Digest, size: int) -> PartialBlob:
        """Begin a blob or go on with it; waits while another holds it."""

    def is_kept(self, digest: Digest) -> bool:
        """Tell whether a blob came by `partial` and nobody has forgotten it since.

        It belongs to a pull that was not finished and may be gone on with.
        """

    async def forget_partials(self, digests: Iterable[Digest]) -> None:
        """Let go of blobs on their way, and of the claims on those that arrived.

        What somebody holds stays.
        """

    async def expire_partials(self, *, older_than: float) -> int:
        """As `forget_partials`, for all not touched for so many seconds; bytes freed."""

    def path(self, digest: Digest) -> str:
        """Absolute path of a blob, present or not."""

    def has(self, digest: Digest) -> bool:
        """Tell whether a blob is there."""

    def size(self, digest: Digest) -> int:
        """Size of a blob in bytes; NotFound when missing."""

    async def read(self, digest: Digest) -> bytes:
        """A whole small blob (manifest, config); NotFound when missing."""

    async def put(self, data: bytes) -> Digest:
        """Write a whole small blob."""

    async def delete(self, digest: Digest) -> None:
        """Remove a blob; a missing one is no error."""

    def digests(self) -> Sequence[Digest]:
        """All blobs."""

    async def sync(self) -> None:
        """Have what was published so far on the disk: before a record refers to it.

        Until then a power cut may spoil it; what no record refers to is deleted at start.
        """

    async def write_out(self) -> None:
        """Have the disk write what has come, published or not; promises nothing."""

    async def scratch(self) -> int:
        """A nameless file beside the blobs, for bytes on their way; the caller closes it."""
