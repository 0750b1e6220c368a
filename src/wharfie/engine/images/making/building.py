"""What builds need of images: layers held while nothing else names them, and new records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager

from msgspec import Struct

from wharfie.engine.images.making.importing import encode_document
from wharfie.engine.images.records.catalog import Catalog
from wharfie.engine.images.records.documents import chain_ids
from wharfie.engine.images.records.leases import Lease, Leases
from wharfie.engine.images.records.registrar import Registrar
from wharfie.formats.digest import sha256_digest
from wharfie.formats.oci.descriptor import OCI_LAYER, Descriptor
from wharfie.formats.reference import Reference
from wharfie.model.ids import ChainId, Digest, ImageId
from wharfie.model.image import Image, ImageDocument
from wharfie.model.snapshot import Snapshotter


class NewImage(Struct, frozen=True, kw_only=True):
    """An image to be recorded.

    Attributes:
        document: complete, with the diff IDs of its layers.
        members: of the config beside those of the document ("moby.buildkit.cache.v0").
        names: canonical references.
        base: descriptors known of the lowest layers.
    """

    document: ImageDocument
    members: dict[str, object]
    names: Sequence[Reference]
    base: Sequence[Descriptor] = ()


class BuildImages:
    """Leases and records for builds."""

    def __init__(
        self, catalog: Catalog, snapshotter: Snapshotter, leases: Leases, registrar: Registrar
    ) -> None:
        self._catalog = catalog
        self._snapshotter = snapshotter
        self._leases = leases
        self._registrar = registrar

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

    async def record(self, new: NewImage) -> Image:
        """Write the config, record the image, tag it; equal documents are one image."""
        document = new.document
        chains = chain_ids(document.rootfs.diff_ids)
        config = encode_document(document, new.members)
        base = new.base or self._known(chains)
        own = zip(chains[len(base) :], document.rootfs.diff_ids[len(base) :], strict=True)
        layers = [*base, *(self._descriptor(chain, diff_id) for chain, diff_id in own)]
        async with self._leases.take() as lease:
            for chain in chains:
                lease.hold_chain(chain)
            await lease.put(config)
            image = await self._registrar.add(
                Image(
                    id=ImageId(sha256_digest(config)),
                    document=document,
                    layers=layers,
                    chain_ids=chains,
                    size=sum(self._size(chain) for chain in chains),
                ),
                tags=[str(name) for name in new.names],
            )
        for name in new.names:
            self._registrar.publish("tag", image, name.familiar())
        return image

    def _known(self, chains: Sequence[ChainId]) -> Sequence[Descriptor]:
        """The descriptors of the lowest layers, as the image that shares most of them has them.

        A layer that was pulled or loaded may not pack to the same bytes again: its blob is kept.
        """
        best: Sequence[Descriptor] = ()
        for image in self._catalog:
            shared = 0
            for have, wanted in zip(image.chain_ids, chains, strict=False):
                if have != wanted:
                    break
                shared += 1
            if shared > len(best) and len(image.layers) == len(image.chain_ids):
                best = image.layers[:shared]
        return best

    def _descriptor(self, chain: ChainId, diff_id: Digest) -> Descriptor:
        layer = self._snapshotter.layer(chain)
        length = 0 if layer is None else layer.length
        return Descriptor(media_type=OCI_LAYER, digest=diff_id, size=length)

    def _size(self, chain: ChainId) -> int:
        layer = self._snapshotter.layer(chain)
        return 0 if layer is None else layer.size
