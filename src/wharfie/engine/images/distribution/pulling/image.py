"""One image of a pull: found, fetched layer by layer, recorded.

A failure leaves the bytes that came, for the next try; a refusal (something is not what it was
announced to be) leaves nothing.
"""

from __future__ import annotations

import asyncio
import logging

from msgspec import Struct, structs

from wharfie.engine.images.archives.copying import stored_blobs
from wharfie.engine.images.distribution.pulling.layer import LayerFetcher, LayerJob
from wharfie.engine.images.distribution.pulling.resolving import (
    Resolved,
    check_sizes,
    fetch_config,
    layer_descriptor,
    resolve,
)
from wharfie.engine.images.distribution.slots import Slots
from wharfie.engine.images.layers import LayerSource, LayerStore
from wharfie.engine.images.progress import Board
from wharfie.engine.images.records.catalog import Catalog, platform_of
from wharfie.engine.images.records.documents import chain_ids
from wharfie.engine.images.records.leases import Lease, Leases
from wharfie.engine.images.records.registrar import Registrar
from wharfie.engine.images.writeout import WriteOut
from wharfie.formats.oci.descriptor import DOCKER_MANIFEST, Descriptor, Platform
from wharfie.formats.oci.platform import rank, spell
from wharfie.formats.reference import Reference
from wharfie.model.archive import Archiver, Limits
from wharfie.model.content import ContentStore
from wharfie.model.errors import InvalidArgument, NotFound
from wharfie.model.ids import ChainId, Digest, ImageId
from wharfie.model.image import Image, ImageDocument
from wharfie.model.registry import Repository
from wharfie.model.snapshot import Snapshotter

_log = logging.getLogger(__name__)


class PullPorts(Struct, frozen=True, kw_only=True):
    """What all pulls share.

    Attributes:
        downloads: how many blobs are fetched at the same time.
    """

    catalog: Catalog
    content: ContentStore
    snapshotter: Snapshotter
    archiver: Archiver
    leases: Leases
    registrar: Registrar
    layers: LayerStore
    downloads: Slots
    limits: Limits


class ImagePull:
    """Pulls images of one repository.

    Args:
        ports: what all pulls share.
        repository: where from.
        board: for progress.
        platform: None takes what fits this host best.
        whole: fetch blobs of layers too that are here unpacked.
    """

    def __init__(
        self,
        ports: PullPorts,
        repository: Repository,
        board: Board,
        *,
        platform: Platform | None,
        whole: bool = False,
    ) -> None:
        self._ports = ports
        self._repository = repository
        self._board = board
        self._platform = platform
        self._whole = whole

    async def resolve(self, reference: Reference) -> Resolved:
        """Ask the registry what a reference names."""
        return await resolve(
            self._repository,
            reference.digest or reference.tag,
            self._platform or self._ports.catalog.host,
            name=reference.familiar(),
        )

    async def fetch(self, reference: Reference, resolved: Resolved) -> tuple[Image, bool]:
        """Have the image; tells whether it is another than the reference named before.

        Raises:
            EngineError: it cannot be had.
        """
        name = reference.familiar()
        check_sizes(resolved.parsed, self._ports.limits, name=name)
        names = [] if reference.digest else [str(reference)]
        digest_name = f"{reference.name}@{resolved.digest}"
        holder = self._ports.catalog.holder(names[0] if names else digest_name)
        digests = [layer.digest for layer in resolved.parsed.layers]
        async with self._ports.leases.take() as lease:
            try:
                image = await self._fetch_trusting(reference, resolved, lease)
            except InvalidArgument:
                # Refused, not broken off: there is nothing to go on with.
                await self._ports.content.forget_partials(digests)
                raise
            image = await self._record(image, names, digest_name)
        await self._ports.content.forget_partials(digests)
        return image, holder is None or holder.id != image.id

    async def _fetch_trusting(
        self, reference: Reference, resolved: Resolved, lease: Lease
    ) -> Image:
        """Fetch; what a mirror gets wrong, its registry may get right."""
        try:
            return await self._fetch(reference, resolved, lease)
        except InvalidArgument as error:
            if not self._repository.distrust():
                raise
            _log.warning("mirror of %s: %s", reference.domain, error)
        await self._ports.content.forget_partials(layer.digest for layer in resolved.parsed.layers)
        return await self._fetch(reference, resolved, lease)

    async def _fetch(self, reference: Reference, resolved: Resolved, lease: Lease) -> Image:
        ports, parsed = self._ports, resolved.parsed
        image_id = ImageId(parsed.config.digest)
        known = ports.catalog.by_id(image_id)
        if known is not None:
            # Its layers belong to the image and stay while the lease holds them; what of its
            # blobs is replaced is collected with the lease.
            for chain in known.chain_ids:
                lease.hold_chain(chain)
            for blob in known.layers if known.manifest is None else (*known.layers, known.manifest):
                lease.hold_blob(blob.digest)
        if known is not None and not self._whole and self._is_here(known):
            self._check_platform(reference, known.document)
            for layer in parsed.layers:
                lease.hold_blob(layer.digest)
            known_layers = self._layers_of(known, parsed.layers)
            return structs.replace(
                known, manifest=await self._keep_manifest(resolved, lease), layers=known_layers
            )
        data, document = await fetch_config(self._repository, parsed, name=reference.familiar())
        self._check_platform(reference, document)
        await self._fetch_layers(parsed.layers, document, lease)
        await lease.put(data)
        chains = chain_ids(document.rootfs.diff_ids)
        sizes = (ports.snapshotter.layer(chain) for chain in chains)
        return Image(
            id=image_id,
            document=document,
            manifest=await self._keep_manifest(resolved, lease),
            layers=self._recorded(parsed.layers, document),
            chain_ids=chains,
            size=sum(layer.size for layer in sizes if layer is not None),
        )

    async def _record(self, image: Image, names: list[str], digest_name: str) -> Image:
        """Record it, unless nothing changes: an up-to-date pull writes nothing."""
        catalog = self._ports.catalog
        known = catalog.by_id(image.id)
        held = all(catalog.holder(name) is known for name in (*names, digest_name))
        if known is not None and held and _same_blobs(known, image):
            return known
        image = structs.replace(image, digests=[digest_name])
        return await self._ports.registrar.add(image, tags=names)

    def _is_here(self, image: Image) -> bool:
        snapshotter = self._ports.snapshotter
        return self._ports.content.has(Digest(image.id)) and all(
            snapshotter.layer(chain) is not None for chain in image.chain_ids
        )

    def _layers_of(self, known: Image, offered: list[Descriptor]) -> list[Descriptor]:
        """Layers of an image that is here: its own blobs count, not those it could have had."""
        content = self._ports.content
        if all(content.has(layer.digest) for layer in offered):
            return [layer_descriptor(layer) for layer in offered]
        return known.layers

    async def _fetch_layers(
        self, layers: list[Descriptor], document: ImageDocument, lease: Lease
    ) -> None:
        ports = self._ports
        jobs = _jobs(layers, document)
        for job in jobs:
            lease.hold_chain(job.source.chain_id)
        for job in jobs:
            has = ports.layers.has(job.source)
            self._board.status("Already exists" if has else "Pulling fs layer", job.name)
        write_out = WriteOut(ports.content)
        fetcher = LayerFetcher(
            content=ports.content,
            archiver=ports.archiver,
            layers=ports.layers,
            downloads=ports.downloads,
            repository=self._repository,
            lease=lease,
            board=self._board,
            arrived=write_out.add,
        )
        try:
            async with asyncio.TaskGroup() as group:
                writing = group.create_task(write_out.run())
                tasks: list[asyncio.Task[None]] = []
                below: asyncio.Task[None] | None = None
                for job in jobs:
                    if not ports.layers.has(job.source):
                        below = group.create_task(fetcher.fetch(job, below))
                        tasks.append(below)
                    elif self._whole:
                        tasks.append(group.create_task(fetcher.fetch_blob(job)))
                if tasks:
                    await asyncio.wait(tasks)
                writing.cancel()
        except BaseExceptionGroup as failures:
            # One reason is enough for the user: the others are mostly its consequences.
            raise failures.exceptions[0] from None

    def _recorded(self, offered: list[Descriptor], document: ImageDocument) -> list[Descriptor]:
        """The blobs to remember: where a layer was here already, the one it was made of."""
        content = self._ports.content
        known = stored_blobs(self._ports.catalog, content)
        recorded = []
        for layer, diff_id in zip(offered, document.rootfs.diff_ids, strict=True):
            other = known.get(diff_id)
            has_other = other is not None and content.has(other.blob.digest)
            if other is not None and has_other and not content.has(layer.digest):
                recorded.append(other.blob)
            else:
                recorded.append(layer_descriptor(layer))
        return recorded

    async def _keep_manifest(self, resolved: Resolved, lease: Lease) -> Descriptor:
        manifest = resolved.manifest
        digest = await lease.put(manifest.data)
        kind = resolved.parsed.media_type or manifest.media_type or DOCKER_MANIFEST
        return Descriptor(media_type=kind, digest=digest, size=len(manifest.data))

    def _check_platform(self, reference: Reference, document: ImageDocument) -> None:
        """An image that is no index is for what its config says."""
        wanted = self._platform
        if wanted is None:
            return
        have = platform_of(Image(id=ImageId(""), document=document))
        if rank(have, wanted) is None:
            raise NotFound(
                f"image with reference {reference.familiar()} was found but its platform "
                f"({spell(have)}) does not match the specified platform ({spell(wanted)})"
            )


def _same_blobs(one: Image, other: Image) -> bool:
    """Tell whether two records of an image name the same blobs."""
    return one.manifest == other.manifest and one.layers == other.layers


def _jobs(layers: list[Descriptor], document: ImageDocument) -> list[LayerJob]:
    diff_ids = document.rootfs.diff_ids
    chains = chain_ids(diff_ids)
    parents: list[ChainId | None] = [None, *chains[:-1]]
    return [
        LayerJob(
            source=LayerSource(
                diff_id=Digest(diff_id), chain_id=chain, parent=parent, blob=layer.digest
            ),
            descriptor=layer,
            number=number,
        )
        for number, (layer, diff_id, chain, parent) in enumerate(
            zip(layers, diff_ids, chains, parents, strict=True)
        )
    ]
