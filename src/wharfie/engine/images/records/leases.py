"""Leases: blobs and layers of an image that is not recorded yet, safe from being collected.

What no image row refers to and no lease holds is garbage, but for the blobs of a pull that was
cut off: the content store keeps those for its next try. An operation adds content under a
lease; when it ends, well or not, whatever did not become part of an image is deleted. After a
crash nobody holds a lease, and `collect` at start finds the rest.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from wharfie.engine.images.records.catalog import Catalog
from wharfie.model.content import BlobWriter, ContentStore, PartialBlob
from wharfie.model.errors import Conflict
from wharfie.model.ids import ChainId, Digest
from wharfie.model.snapshot import Snapshotter


class Lease:
    """What one operation has added so far."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self.blobs: set[Digest] = set()
        self.chains: set[ChainId] = set()

    async def commit(self, writer: BlobWriter, expected: Digest | None = None) -> Digest:
        """Publish a blob and hold it; see `BlobWriter.commit`."""
        async with self._leases.lock:
            digest = await writer.commit(expected)
            self.hold_blob(digest)
        return digest

    async def put(self, data: bytes) -> Digest:
        """Write a small blob and hold it."""
        async with self._leases.lock:
            digest = await self._leases.content.put(data)
            self.hold_blob(digest)
        return digest

    async def publish(self, partial: PartialBlob, digest: Digest) -> Digest:
        """Make a blob of one that arrived, and hold it; see `PartialBlob.publish`."""
        self.hold_blob(digest)
        async with self._leases.lock:
            return await partial.publish(digest)

    async def drop(self, digest: Digest) -> None:
        """Delete a blob that turned out to be damaged."""
        async with self._leases.lock:
            await self._leases.content.delete(digest)

    def hold_chain(self, chain_id: ChainId) -> None:
        """Hold a layer, present or to come."""
        if chain_id not in self.chains:
            self.chains.add(chain_id)
            self._leases.held_chains[chain_id] += 1

    def hold_blob(self, digest: Digest) -> None:
        """Hold a blob, present or to come."""
        if digest not in self.blobs:
            self.blobs.add(digest)
            self._leases.held_blobs[digest] += 1


class Leases:
    """All leases, and the deletion of what nobody needs."""

    def __init__(self, catalog: Catalog, content: ContentStore, snapshotter: Snapshotter) -> None:
        self.content = content
        # A blob must not be deleted between the moment a writer finds it there and is content
        # with that, and the moment it is held: publishing and deleting exclude each other.
        self.lock = asyncio.Lock()
        self.held_blobs: Counter[Digest] = Counter()
        self.held_chains: Counter[ChainId] = Counter()
        self._catalog = catalog
        self._snapshotter = snapshotter

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Lease]:
        """Hold what is added inside the block; at its end collect what no image refers to."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            self.held_blobs.subtract(lease.blobs)
            self.held_chains.subtract(lease.chains)
            self.held_blobs += Counter()
            self.held_chains += Counter()
            await self.collect(lease.blobs, lease.chains)

    def keep(self, chains: Iterable[ChainId]) -> None:
        """Hold layers until `let_go`; for what is needed without being part of an image."""
        self.held_chains.update(chains)

    async def let_go(self, chains: Iterable[ChainId]) -> list[ChainId]:
        """Hold layers no more, and delete those that nobody needs; returns these."""
        let = list(chains)
        self.held_chains.subtract(let)
        self.held_chains += Counter()
        return await self.collect((), reversed(let))

    async def collect(self, blobs: Iterable[Digest], chains: Iterable[ChainId]) -> list[ChainId]:
        """Delete those of the given that nobody needs.

        Returns:
            The layers deleted, each before the one it stood on.
        """
        async with self.lock:
            needed = self._catalog.blobs()
            for digest in blobs:
                if digest in needed or digest in self.held_blobs or self.content.is_kept(digest):
                    continue
                await self.content.delete(digest)
        return await self._collect_layers(chains)

    async def collect_all(self) -> None:
        """At start: delete every blob and layer nobody needs."""
        digests = await asyncio.to_thread(self.content.digests)
        await self.collect(digests, [layer.chain_id for layer in self._snapshotter.layers()])

    async def _collect_layers(self, chains: Iterable[ChainId]) -> list[ChainId]:
        removed: list[ChainId] = []
        left = list(chains)
        while left:
            blocked: list[ChainId] = []
            for chain in left:
                if chain in self.held_chains or chain in self._catalog.chains():
                    continue
                if self._snapshotter.layer(chain) is None:
                    continue
                try:
                    await self._snapshotter.remove_layer(chain)
                    removed.append(chain)
                except Conflict:
                    blocked.append(chain)  # perhaps of a layer that is to go as well
            if len(blocked) == len(left):
                break
            left = blocked
        return removed
