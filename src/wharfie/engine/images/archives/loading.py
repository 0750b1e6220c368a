"""Loading image archives.

    archive ─▶ blobs (ingest) ─▶ plans (contents) ─▶ layers side by side ─▶ one row per image

The row is written last; until then a lease holds what there is, and a failure or a crash leaves
nothing of an image. Source: behaviours 125; moby image/tarexport, load.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

from msgspec import structs

from wharfie.engine.images.archives.contents import Plan, read_plans
from wharfie.engine.images.archives.copying import is_known, known_layer
from wharfie.engine.images.archives.early import EarlyLayers
from wharfie.engine.images.archives.ingest import Archive, Stored, ingest
from wharfie.engine.images.layers import LayerSource, Unpacker
from wharfie.engine.images.progress import Board, Progress, streamed
from wharfie.engine.images.records.catalog import Catalog
from wharfie.engine.images.records.documents import chain_ids
from wharfie.engine.images.records.leases import Lease, Leases
from wharfie.engine.images.records.registrar import Registrar
from wharfie.engine.images.writeout import WriteOut
from wharfie.formats.oci.descriptor import OCI_LAYER_GZIP, OCI_LAYER_ZSTD, Platform
from wharfie.model.archive import Limits
from wharfie.model.content import ContentStore
from wharfie.model.errors import InvalidArgument
from wharfie.model.ids import ChainId, ImageId, short
from wharfie.model.image import Image
from wharfie.model.snapshot import Snapshotter

_COMPRESSED = (OCI_LAYER_GZIP, OCI_LAYER_ZSTD)
"""What layers are stored as; documents are neither."""


class Loader:
    """Loads archives."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        content: ContentStore,
        snapshotter: Snapshotter,
        unpacker: Unpacker,
        leases: Leases,
        registrar: Registrar,
        limits: Limits,
    ) -> None:
        self._catalog = catalog
        self._content = content
        self._snapshotter = snapshotter
        self._unpacker = unpacker
        self._leases = leases
        self._registrar = registrar
        self._limits = limits

    def load(
        self, source: AsyncIterator[bytes], *, quiet: bool, platforms: Sequence[Platform] = ()
    ) -> AsyncIterator[Progress]:
        """See `Images.load`."""

        async def work(board: Board) -> None:
            write_out = WriteOut(self._content)
            async with (
                self._leases.take() as lease,
                EarlyLayers(self._unpacker, write_out) as early,
            ):
                archive = await self._ingest(source, lease, early)
                plans = await read_plans(archive, self._catalog.host, platforms)
                await self._load(plans, Board() if quiet else board, lease, early, board)

        return streamed(work)

    async def _ingest(
        self, source: AsyncIterator[bytes], lease: Lease, early: EarlyLayers
    ) -> Archive:
        known = partial(known_layer, self._catalog, self._content, self._snapshotter, lease)
        begin = partial(self._begin_early, early)
        return await ingest(source, self._content, lease, self._limits, known=known, arrived=begin)

    async def _load(
        self,
        plans: Sequence[Plan],
        layers_board: Board,
        lease: Lease,
        early: EarlyLayers,
        board: Board,
    ) -> None:
        """Unpack and record.

        Args:
            plans: what the archive holds.
            layers_board: where the progress of layers goes.
            lease: holds what comes.
            early: unpacks what comes.
            board: where the results go.
        """
        for plan in plans:
            missing = self._unpacker.missing(layer_sources(plan), lease)
            for layer in missing:
                if not self._content.has(layer.blob):
                    raise InvalidArgument(f"invalid archive: layer {layer.diff_id} is missing")
            for message in _loading(plan, missing, done=False):
                layers_board.post(message)
            await self._unpacker.unpack(missing, early.take)
            for message in _loading(plan, missing, done=True):
                layers_board.post(message)
            for message in await self._record(plan, lease):
                board.post(message)

    def _begin_early(self, early: EarlyLayers, stored: Stored) -> None:
        """Unpack what may be a layer, unless it is one we have."""
        if stored.blob.media_type in _COMPRESSED and not is_known(self._catalog, stored):
            early.begin(stored.blob.digest, stored.blob.size)

    async def _record(self, plan: Plan, lease: Lease) -> list[Progress]:
        await lease.put(plan.config)
        names = [str(name) for name in plan.names]
        messages: list[Progress] = []
        for name, reference in zip(names, plan.names, strict=True):
            holder = self._catalog.holder(name)
            if holder is not None and holder.id != plan.id:
                text = (
                    f"The image {reference.familiar()} already exists, renaming the old one "
                    f"with ID {holder.id} to empty string\n"
                )
                messages.append({"stream": text})
        image = await self._registrar.add(self._image(plan), tags=names)
        self._registrar.publish("load", image)
        if plan.names:
            loaded = [f"Loaded image: {name.familiar()}\n" for name in plan.names]
        else:
            loaded = [f"Loaded image ID: {image.id}\n"]
        messages += [{"stream": text} for text in loaded]
        return messages

    def _image(self, plan: Plan) -> Image:
        chains = chain_ids(plan.document.rootfs.diff_ids)
        parent = plan.parent or plan.document.parent
        if self._catalog.by_id(ImageId(parent)) is None:
            parent = ""
        return Image(
            id=plan.id,
            document=structs.replace(plan.document, parent=parent),
            layers=[stored.blob for stored in plan.layers],
            chain_ids=chains,
            size=total_size(self._snapshotter, chains),
        )


def total_size(snapshotter: Snapshotter, chains: Sequence[ChainId]) -> int:
    """Bytes of all layers of an image."""
    layers = (snapshotter.layer(chain) for chain in chains)
    return sum(layer.size for layer in layers if layer is not None)


def layer_sources(plan: Plan) -> list[LayerSource]:
    """An image's layers, base first, with what each stands on."""
    diff_ids = plan.document.rootfs.diff_ids
    chains = chain_ids(diff_ids)
    parents: list[ChainId | None] = [None, *chains[:-1]]
    return [
        LayerSource(diff_id=diff_id, chain_id=chain, parent=parent, blob=stored.blob.digest)
        for diff_id, chain, parent, stored in zip(
            diff_ids, chains, parents, plan.layers, strict=True
        )
    ]


def _loading(plan: Plan, missing: Sequence[LayerSource], *, done: bool) -> list[Progress]:
    """Progress of the layers being unpacked, in Docker's words."""
    sizes = {stored.blob.digest: stored.size for stored in plan.layers}
    return [
        {
            "status": "Loading layer",
            "progressDetail": {
                "current": sizes[layer.blob] if done else 0,
                "total": sizes[layer.blob],
            },
            "id": short(layer.diff_id),
        }
        for layer in missing
    ]
