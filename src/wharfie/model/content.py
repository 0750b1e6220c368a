"""Content: blobs named by digest, verified whenever written.

A blob appears under its final name only by rename after fsync; what a reader opens is whole.
Source: OCI image spec, descriptor and image layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wharfie.formats.oci.descriptor import Descriptor as Descriptor  # noqa: PLC0414 - re-export
from wharfie.formats.oci.descriptor import Platform as Platform  # noqa: PLC0414 - re-export
from wharfie.model.ids import Digest


class BlobWriter(Protocol):
    """A blob being written; nothing is visible before `commit`."""

    async def write(self, data: bytes) -> None:
        """Append bytes."""

    async def commit(self, expected: Digest | None = None) -> Digest:
        """Sync, verify and publish; returns the digest.

        Raises:
            InvalidArgument: the bytes do not have the `expected` digest; nothing is kept.
        """

    async def abort(self) -> None:
        """Drop what was written; after a commit nothing happens."""


class ContentStore(Protocol):
    """Blobs on disk."""

    async def writer(self) -> BlobWriter:
        """Begin a blob."""

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

    async def scratch(self) -> int:
        """A nameless file beside the blobs, for bytes on their way; the caller closes it."""
