"""Saving images: one tar that is both a docker-archive and an image layout.

    blobs/sha256/<hex>   layers (uncompressed, named by diff ID), configs, manifests
    index.json  manifest.json  oci-layout  repositories

The same images give the same bytes, and loading them gives the same IDs. A layer comes from its
blob; if that is gone, from its directory, provided that packs to the digest it is known by.
Layers the receiver has may be left out; the archive then is a docker-archive only.
Source: docker save's format since 25.0; behaviours 125.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from wharfie.engine.images.archives.tars import LayerTars
from wharfie.engine.images.records.catalog import Catalog, check_platform, is_id_of, names_of, parse
from wharfie.engine.images.records.leases import Leases
from wharfie.formats.digest import hex_of, sha256_digest
from wharfie.formats.oci.archive import (
    BLOBS,
    IMAGE_NAME,
    INDEX_FILE,
    LAYOUT,
    LAYOUT_FILE,
    MANIFEST_FILE,
    REF_NAME,
    REPOSITORIES_FILE,
    ArchivedImage,
    encode_archive_manifest,
)
from wharfie.formats.oci.descriptor import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor, Platform
from wharfie.formats.oci.manifest import Index, Manifest, encode_index, encode_manifest
from wharfie.formats.tar import END_OF_ARCHIVE, Kind, Member, encode_member, padding
from wharfie.model.content import ContentStore
from wharfie.model.errors import NoSuchImage
from wharfie.model.ids import Digest, ImageId
from wharfie.model.image import Image


class Selection(Struct, frozen=True):
    """An image to save, under these canonical tags."""

    image: Image
    tags: list[str]


def choose_images(
    catalog: Catalog, refs: Sequence[str], platforms: Sequence[Platform] = ()
) -> list[Selection]:
    """Resolve what to save. A bare repository name means all its tags, an ID no name at all.

    Raises:
        NoSuchImage: nothing matches.
        NotFound: an image is for none of the `platforms`, where any are given.
    """
    chosen: dict[ImageId, tuple[Image, dict[str, None]]] = {}
    for ref in refs:
        for image, tags in _matches(catalog, ref):
            check_platform(ref, image, platforms)
            chosen.setdefault(image.id, (image, {}))[1].update(dict.fromkeys(tags))
    return [Selection(image, list(tags)) for image, tags in chosen.values()]


def _matches(catalog: Catalog, ref: str) -> list[tuple[Image, list[str]]]:
    try:
        image = catalog.get(ref)
    except NoSuchImage:
        image = None
    if image is not None and is_id_of(ref, image.id):
        return [(image, [])]
    reference = parse(ref)
    if not reference.tag and not reference.digest:
        of_repository = [
            (other, tags)
            for other in catalog
            if (tags := [tag for tag in other.tags if parse(tag).name == reference.name])
        ]
        if of_repository:
            return of_repository
    if image is None:
        raise NoSuchImage(reference.tagged().familiar())
    name = names_of(reference.tagged())[0]
    return [(image, [name] if name in image.tags else [])]


@dataclass(slots=True)
class _Written:
    """What stands in the archive so far."""

    sizes: dict[Digest, int] = field(default_factory=dict)
    index: list[Descriptor] = field(default_factory=list)
    images: list[ArchivedImage] = field(default_factory=list)
    repositories: dict[str, dict[str, str]] = field(default_factory=dict)


class Saver:
    """Writes archives."""

    def __init__(
        self,
        *,
        content: ContentStore,
        tars: LayerTars,
        leases: Leases,
    ) -> None:
        self._content = content
        self._tars = tars
        self._leases = leases

    async def save(
        self, selections: Sequence[Selection], *, omit: Collection[Digest] = ()
    ) -> AsyncIterator[bytes]:
        """The archive, without the layers whose diff IDs are in `omit`.

        Raises:
            Internal: a layer's blob is gone and its directory no longer packs to it.
        """
        written = _Written()
        async with self._leases.take() as lease:
            for selection in selections:
                lease.hold_blob(Digest(selection.image.id))
                for layer in selection.image.layers:
                    lease.hold_blob(layer.digest)
                for chain in selection.image.chain_ids:
                    lease.hold_chain(chain)
            for selection in selections:
                for number, diff_id in enumerate(selection.image.document.rootfs.diff_ids):
                    if diff_id in omit:
                        continue
                    async for data in self._layer(selection.image, number, written):
                        yield data
                config = await self._content.read(Digest(selection.image.id))
                yield _blob(config, written)
                if omit:
                    _note(selection, written)
                else:
                    yield _blob(_describe(selection, config, written), written)
        for path, data in _documents(written, whole=not omit):
            yield _file(path, data)
        yield END_OF_ARCHIVE

    async def _layer(self, image: Image, number: int, written: _Written) -> AsyncIterator[bytes]:
        diff_id = image.document.rootfs.diff_ids[number]
        if diff_id in written.sizes:
            return
        size, pieces = await self._tars.stream(image, number)
        async with aclosing(pieces):
            written.sizes[diff_id] = size
            yield _head(BLOBS + hex_of(diff_id), size)
            async for data in pieces:
                yield data
            yield padding(size)


def _documents(written: _Written, *, whole: bool) -> list[tuple[str, bytes]]:
    """What says which images the archive holds; an image layout must be `whole`."""
    found = [(MANIFEST_FILE, encode_archive_manifest(written.images))]
    if whole:
        found = [
            (INDEX_FILE, encode_index(Index(manifests=written.index))),
            *found,
            (LAYOUT_FILE, LAYOUT),
            (REPOSITORIES_FILE, msgspec.json.encode(written.repositories)),
        ]
    return found


def _note(selection: Selection, written: _Written) -> None:
    """Note an image in the docker-archive's index."""
    image = selection.image
    written.images.append(
        ArchivedImage(
            config=BLOBS + hex_of(image.id),
            repo_tags=[parse(name).familiar() for name in selection.tags] or None,
            layers=[BLOBS + hex_of(diff_id) for diff_id in image.document.rootfs.diff_ids],
            layer_sources={
                layer.digest: layer
                for layer in _layers(image, written)
                if layer.digest in written.sizes
            },
        )
    )


def _layers(image: Image, written: _Written) -> list[Descriptor]:
    return [
        Descriptor(media_type=OCI_LAYER, digest=diff_id, size=written.sizes.get(diff_id, 0))
        for diff_id in image.document.rootfs.diff_ids
    ]


def _describe(selection: Selection, config: bytes, written: _Written) -> bytes:
    """Note an image in the indexes; its manifest."""
    image = selection.image
    layers = _layers(image, written)
    manifest = encode_manifest(
        Manifest(
            config=Descriptor(media_type=OCI_CONFIG, digest=Digest(image.id), size=len(config)),
            layers=layers,
        )
    )
    names = [parse(tag) for tag in selection.tags]
    platform = Platform(
        architecture=image.document.architecture,
        os=image.document.os,
        variant=image.document.variant,
    )
    for notes in [{IMAGE_NAME: str(name), REF_NAME: name.tag} for name in names] if names else [{}]:
        written.index.append(
            Descriptor(
                media_type=OCI_MANIFEST,
                digest=sha256_digest(manifest),
                size=len(manifest),
                annotations=notes,
                platform=platform,
            )
        )
    _note(selection, written)
    for name in names:
        top = hex_of(layers[-1].digest) if layers else hex_of(image.id)
        written.repositories.setdefault(name.familiar_name, {})[name.tag] = top
    return manifest


def _blob(data: bytes, written: _Written) -> bytes:
    """A small blob as a member, b"" when it is in the archive already."""
    digest = sha256_digest(data)
    if digest in written.sizes:
        return b""
    written.sizes[digest] = len(data)
    return _file(BLOBS + hex_of(digest), data)


def _file(path: str, data: bytes) -> bytes:
    return _head(path, len(data)) + data + padding(len(data))


def _head(path: str, size: int) -> bytes:
    return encode_member(Member(path=path.encode(), kind=Kind.FILE, size=size))
