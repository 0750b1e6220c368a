"""Upstream: other registries this one is a cache of.

The server asks before it reads its own storage; an upstream fills that storage through the same
`Content` the server reads (`storage/content.py`), so what comes from elsewhere is verified like a
push. What it returns or raises decides: None reads on from storage.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from msgspec import Struct

from wharfie.registry.ports.access import Identity


class Arriving(Struct, frozen=True):
    """A blob that is served while it is fetched.

    Attributes:
        size: bytes of the whole.
        chunks: the bytes in order; must fail, not end, when they turn out not to have the digest.
    """

    size: int
    chunks: AsyncIterator[bytes]


class Upstream(Protocol):
    """Fills the storage from elsewhere."""

    def serves(self, repository: str) -> bool:
        """Tell whether a repository is a cache: nobody may push there."""

    def hides(self, identity: Identity, repository: str) -> bool:
        """Tell whether somebody may not see what is stored of a repository.

        He is shown single objects that `want_…` finds he may see; no lists, and no mounts from it.
        """

    async def want_manifest(self, identity: Identity, repository: str, reference: str) -> None:
        """Make the storage hold what `reference` (tag or digest) is upstream, as far as possible.

        Unreachable: return, and the server serves what it has. Refused hides what it has.
        """

    async def want_blob(self, identity: Identity, repository: str, digest: str) -> Arriving | None:
        """As `want_manifest`, for a blob; may hand it out while it arrives (None: read storage)."""

    async def want_referrers(self, identity: Identity, repository: str, subject: str) -> None:
        """As `want_manifest`, for the manifests that refer to one."""

    async def blob_size(self, identity: Identity, repository: str, digest: str) -> int | None:
        """For HEAD: bytes of a blob that is not here yet; None to look in storage."""

    async def tags(self, identity: Identity, repository: str) -> list[str] | None:
        """All tags upstream, None to list those in storage."""
