"""What builds need of images: layers held while nothing else names them, and new records."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager

from msgspec import Struct, structs

from wharfie.engine.images.making.importing import encode_document
from wharfie.engine.images.records.catalog import Catalog
from wharfie.engine.images.records.documents import chain_ids
from wharfie.engine.images.records.leases import Lease, Leases
from wharfie.engine.images.records.registrar import Registrar
from wharfie.formats.digest import sha256_digest
from wharfie.formats.oci.descriptor import OCI_LAYER, Descriptor
from wharfie.formats.reference import Reference
from wharfie.model import clock
from wharfie.model.ids import ChainId, Digest, ImageId
from wharfie.model.image import Image, ImageDocument
from wharfie.model.snapshot import Snapshotter


class NewImage(Struct, frozen=True, kw_only=True):
    """An image to be recorded.

    Attributes:
        document: complete, with the diff IDs of its layers; times that are "" get filled in.
        members: of the config beside those of the document ("moby.buildkit.cache.v0").
        names: canonical references.
    """

    document: ImageDocument
    members: dict[str, object]
    names: Sequence[Reference]


class BuildImages:
    """Leases and records for builds."""

    def __init__(
        self, catalog: Catalog, snapshotter: Snapshotter, leases: Leases, registrar: Registrar
    ) -> None:
        self._catalog = catalog
        self._snapshotter = snapshotter
        self._leases = leases
        self._registrar = registrar
        self._recording = asyncio.Lock()

    def lease(self) -> AbstractAsyncContextManager[Lease]:
        """Hold layers inside a block; at its end those that nobody needs are deleted."""
        return self._leases.take()

    def keep(self, chains: Iterable[ChainId]) -> None:
        """Hold layers until `let_go`."""
        self._leases.keep(chains)

    async def let_go(self, chains: Iterable[ChainId]) -> Sequence[ChainId]:
        """Hold layers no more; returns those that were deleted."""
        return await self._leases.let_go(chains)

    def needed(self) -> set[ChainId]:
        """Layers that images stand on."""
        return self._catalog.chains()

    async def config(self, image: Image) -> bytes:
        """An image's config, as it is stored."""
        return await self._leases.content.read(Digest(image.id))

    async def record(self, new: NewImage) -> Image:
        """Write the config, record the image, tag it.

        An image that differs in nothing but its times is the result, if there is one: so a build
        of the cache alone makes nothing new.
        """
        chains = chain_ids(new.document.rootfs.diff_ids)
        if new.members:
            return await self._add(new, chains)
        # Equal builds that end at the same moment make one image, too.
        async with self._recording:
            known = self._equal(new.document, chains)
            if known is None:
                return await self._add(new, chains)
        return await self.tag(known, new.names)

    async def _add(self, new: NewImage, chains: list[ChainId]) -> Image:
        document = dated(new.document, clock.now())
        config = encode_document(document, new.members)
        found = self._descriptors(chains)
        layers = [
            found.get(chain) or self._descriptor(chain, diff_id)
            for chain, diff_id in zip(chains, document.rootfs.diff_ids, strict=True)
        ]
        async with self._leases.take() as lease:
            for chain in chains:
                lease.hold_chain(chain)
            await lease.put(config)
            image = Image(
                id=ImageId(sha256_digest(config)),
                document=document,
                layers=layers,
                chain_ids=chains,
                size=sum(self._size(chain) for chain in chains),
            )
            return await self.tag(image, new.names)

    async def tag(self, image: Image, names: Sequence[Reference]) -> Image:
        """Record an image, which may be there already, under these names."""
        image = await self._registrar.add(image, tags=[str(name) for name in names])
        for name in names:
            self._registrar.publish("tag", image, name.familiar())
        return image

    def find(self, image_id: Digest) -> Image | None:
        """An image by its ID."""
        return self._catalog.by_id(ImageId(image_id))

    def _equal(self, document: ImageDocument, chains: Sequence[ChainId]) -> Image | None:
        for image in self._catalog:
            if image.chain_ids == chains and without_times(image.document, document) == document:
                return image
        return None

    def _descriptors(self, chains: Sequence[ChainId]) -> dict[ChainId, Descriptor]:
        """What other images know of these layers: the blobs they came as."""
        wanted = set(chains)
        return {
            chain: layer
            for image in self._catalog
            for chain, layer in zip(image.chain_ids, image.layers, strict=False)
            if chain in wanted
        }

    def _descriptor(self, chain: ChainId, diff_id: Digest) -> Descriptor:
        layer = self._snapshotter.layer(chain)
        length = 0 if layer is None else layer.length
        return Descriptor(media_type=OCI_LAYER, digest=diff_id, size=length)

    def _size(self, chain: ChainId) -> int:
        layer = self._snapshotter.layer(chain)
        return 0 if layer is None else layer.size


def dated(document: ImageDocument, now: str) -> ImageDocument:
    """The document with its missing times filled in."""
    history = [
        step if step.created else structs.replace(step, created=now) for step in document.history
    ]
    last = history[-1].created if history else now
    return structs.replace(document, created=document.created or last, history=history)


def without_times(document: ImageDocument, like: ImageDocument) -> ImageDocument:
    """The document without the times that another one lacks."""
    if len(document.history) != len(like.history):
        return document
    history = [
        step if model.created else structs.replace(step, created="")
        for step, model in zip(document.history, like.history, strict=True)
    ]
    created = document.created if like.created else ""
    return structs.replace(document, created=created, history=history)
