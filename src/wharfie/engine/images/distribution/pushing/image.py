"""One image of a push: what of it the registry lacks is sent, the manifest last.

An image is pushed as it was pulled, byte for byte, while its blobs are here; else its layers are
compressed with gzip under a new manifest, which is remembered for the next time.
Source: OCI distribution specification, "Push"; behaviours 133.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing

from msgspec import Struct, structs

from wharfie.engine.images.archives.tars import LayerTars
from wharfie.engine.images.distribution.pushing.compressing import compress
from wharfie.engine.images.distribution.slots import Slots
from wharfie.engine.images.progress import Board
from wharfie.engine.images.records.catalog import Catalog
from wharfie.engine.images.records.leases import Lease, Leases
from wharfie.engine.images.records.registrar import Registrar
from wharfie.formats.oci.descriptor import (
    DOCKER_CONFIG,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    OCI_LAYER_GZIP,
    Descriptor,
)
from wharfie.formats.oci.document import DocumentError
from wharfie.formats.oci.manifest import Manifest, encode_manifest, parse_manifest
from wharfie.formats.reference import Reference, parse_familiar
from wharfie.model.content import ContentStore
from wharfie.model.ids import Digest, short
from wharfie.model.image import Image
from wharfie.model.registry import Repository

_PIECE = 1 << 20
_MOUNTS = 3
_GZIP = frozenset({DOCKER_LAYER_GZIP, OCI_LAYER_GZIP})


class PushPorts(Struct, frozen=True, kw_only=True):
    """What all pushes share.

    Attributes:
        uploads: how many blobs are sent at the same time.
    """

    catalog: Catalog
    content: ContentStore
    tars: LayerTars
    leases: Leases
    registrar: Registrar
    uploads: Slots


class ImagePush:
    """Pushes images to one repository."""

    def __init__(self, ports: PushPorts, repository: Repository, board: Board) -> None:
        self._ports = ports
        self._repository = repository
        self._board = board

    async def push(self, image: Image, reference: Reference) -> tuple[Digest, int]:
        """Send what is missing, then the manifest; its digest and size."""
        async with self._ports.leases.take() as lease:
            # As it is now: the tag before may have given it other blobs.
            image = self._ports.catalog.by_id(image.id) or image
            lease.hold_blob(Digest(image.id))
            for layer in (
                image.layers if image.manifest is None else (*image.layers, image.manifest)
            ):
                lease.hold_blob(layer.digest)
            for chain in image.chain_ids:
                lease.hold_chain(chain)
            names = [short(diff_id) for diff_id in image.document.rootfs.diff_ids]
            for name in names:
                self._board.status("Preparing", name)
            kept = await self._kept(image, reference)
            if kept is not None:
                data, manifest = kept
                layers = manifest.layers
                await self._send_layers(names, _each(layers), reference)
            else:
                layers = []
                making = self._compressed(image, lease, layers)
                await self._send_layers(names, making, reference)
                manifest = _docker_manifest(image, layers, self._ports.content)
                data = encode_manifest(manifest)
            await self._send_config(image, manifest.config)
            kind = manifest.media_type or DOCKER_MANIFEST
            digest = await self._repository.put_manifest(reference.tag, kind, data)
            await lease.put(data)
            await self._remember(
                image, reference, layers, Descriptor(media_type=kind, digest=digest, size=len(data))
            )
        return digest, len(data)

    async def _kept(self, image: Image, reference: Reference) -> tuple[bytes, Manifest] | None:
        """The manifest an image came with, while all it names is here or at the registry."""
        content = self._ports.content
        if image.manifest is None or not content.has(image.manifest.digest):
            return None
        data = await content.read(image.manifest.digest)
        try:
            parsed = parse_manifest(data, image.manifest.media_type)
        except DocumentError:
            return None
        if not isinstance(parsed, Manifest) or parsed.config.digest != Digest(image.id):
            return None
        for digest in {layer.digest for layer in parsed.layers}:
            if not (content.has(digest) or await self._is_there(digest, image, reference)):
                return None
        return data, parsed

    async def _is_there(self, digest: Digest, image: Image, reference: Reference) -> bool:
        """Tell whether the registry has a blob that is not here, after a mount if need be."""
        if await self._repository.has_blob(digest):
            return True
        for source in _of_registry(reference, image.digests)[:_MOUNTS]:
            if await self._repository.mount(digest, source.path):
                return True
        return False

    async def _compressed(
        self, image: Image, lease: Lease, layers: list[Descriptor]
    ) -> AsyncGenerator[Descriptor]:
        """Blobs of the layers that every registry and client can read, one by one into `layers`."""
        for number, _ in enumerate(image.document.rootfs.diff_ids):
            known = image.layers[number] if number < len(image.layers) else None
            content = self._ports.content
            if known is not None and known.media_type in _GZIP and content.has(known.digest):
                layers.append(
                    Descriptor(media_type=DOCKER_LAYER_GZIP, digest=known.digest, size=known.size)
                )
            else:
                # One after the other: each takes all processors, and room on the disk.
                fd = await self._ports.tars.open(image, number)
                try:
                    layers.append(await compress(fd, content, lease))
                finally:
                    os.close(fd)
            yield layers[-1]

    async def _send_layers(
        self, names: list[str], layers: AsyncGenerator[Descriptor], reference: Reference
    ) -> None:
        """Send layers as they are made, each once."""
        begun: set[Digest] = set()
        waiting = iter(names)
        try:
            async with asyncio.TaskGroup() as group, aclosing(layers):
                async for layer in layers:
                    name = next(waiting)
                    if layer.digest not in begun:
                        begun.add(layer.digest)
                        group.create_task(self._send_layer(name, layer, reference))
        except BaseExceptionGroup as failures:
            # One reason is enough for the user: the others are mostly its consequences.
            raise failures.exceptions[0] from None

    async def _send_layer(self, name: str, layer: Descriptor, reference: Reference) -> None:
        if self._ports.uploads.is_full:
            self._board.status("Waiting", name)
        async with self._ports.uploads:
            if await self._repository.has_blob(layer.digest):
                self._board.status("Layer already exists", name)
                return
            for source in self._sources(layer.digest, reference):
                if await self._repository.mount(layer.digest, source.path):
                    self._board.status(f"Mounted from {source.familiar_name}", name)
                    return
            sent = 0

            async def read() -> AsyncIterator[bytes]:
                nonlocal sent
                sent = 0
                async for data in self._read(layer.digest):
                    sent += len(data)
                    self._board.count("Pushing", name, sent, layer.size)
                    yield data

            await self._repository.upload(layer, read)
            self._board.status("Pushed", name)

    async def _send_config(self, image: Image, config: Descriptor) -> None:
        if not await self._repository.has_blob(config.digest):
            await self._repository.upload(config, lambda: self._read(Digest(image.id)))

    async def _read(self, digest: Digest) -> AsyncIterator[bytes]:
        fd = os.open(self._ports.content.path(digest), os.O_RDONLY | os.O_CLOEXEC)
        try:
            while data := await asyncio.to_thread(os.read, fd, _PIECE):
                yield data
        finally:
            os.close(fd)

    def _sources(self, digest: Digest, reference: Reference) -> list[Reference]:
        """Other repositories of the same registry that should have a blob."""
        names = [
            name
            for image in self._ports.catalog
            if any(layer.digest == digest for layer in image.layers)
            for name in image.digests
        ]
        return _of_registry(reference, names)[:_MOUNTS]

    async def _remember(
        self,
        image: Image,
        reference: Reference,
        layers: list[Descriptor],
        manifest: Descriptor,
    ) -> None:
        known = self._ports.catalog.by_id(image.id)
        if known is not None:
            changed = structs.replace(
                known,
                manifest=manifest,
                layers=[
                    # What the registry alone has is no reason to let go of what is here.
                    Descriptor(media_type=pushed.media_type, digest=pushed.digest, size=pushed.size)
                    if self._ports.content.has(pushed.digest)
                    else own
                    for own, pushed in zip(known.layers, layers, strict=True)
                ],
                digests=sorted({*known.digests, f"{reference.name}@{manifest.digest}"}),
            )
            await self._ports.registrar.add(changed)


async def _each(layers: list[Descriptor]) -> AsyncGenerator[Descriptor]:
    for layer in layers:
        yield layer


def _of_registry(reference: Reference, names: Iterable[str]) -> list[Reference]:
    """Other repositories of the registry, each once."""
    found: dict[str, Reference] = {}
    for name in names:
        other = parse_familiar(name)
        if other and other.domain == reference.domain and other.path != reference.path:
            found[other.path] = Reference(domain=other.domain, path=other.path)
    return list(found.values())


def _docker_manifest(image: Image, layers: list[Descriptor], content: ContentStore) -> Manifest:
    config = Descriptor(
        media_type=DOCKER_CONFIG, digest=Digest(image.id), size=content.size(Digest(image.id))
    )
    return Manifest(media_type=DOCKER_MANIFEST, config=config, layers=layers)
