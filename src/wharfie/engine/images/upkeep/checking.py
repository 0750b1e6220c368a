"""Verifying every blob and layer, and mending what can be mended.

    blob     hashed again; a wrong one is deleted, then fetched again from its registry
    layer    unpacked again beside it from its blob, compared path by path; a wrong one is replaced

Nothing waits for a check: pulls, removals and containers go on. What is collected meanwhile is no
finding. A layer on which a container runs is not replaced under it.

Source: OCI image spec "Digests" and "Layer DiffID".
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import islice

from msgspec import Struct, structs

from wharfie.engine.images.records.catalog import Catalog
from wharfie.engine.images.records.leases import Lease, Leases
from wharfie.engine.images.records.removal import ImageUse, spell_untagged
from wharfie.kernel.treediff import differences
from wharfie.model.archive import Archiver
from wharfie.model.content import ContentStore
from wharfie.model.errors import EngineError, InvalidArgument, NotFound
from wharfie.model.ids import ChainId, Digest, ImageId, short
from wharfie.model.image import Image
from wharfie.model.snapshot import LayerRecord, LayerWriter, Snapshotter

_CHUNK = 1 << 20
_NAMED = 3
"""Paths a finding names; the first few tell the story."""

Uses = Callable[[], Mapping[ImageId, Sequence[ImageUse]]]
Refetch = Callable[[str], AsyncIterator[object]]


class Finding(Struct, frozen=True, kw_only=True, tag="finding", tag_field="type"):
    """Something that is not what it should be.

    Attributes:
        kind: "blob" or "layer".
        name: its digest or chain ID.
        problem: what is wrong.
        images: whose it is: references, or short IDs of images without any.
        repaired: it is right again.
        remedy: what was done, or is left for the user to do.
    """

    kind: str
    name: str
    problem: str
    images: list[str]
    repaired: bool = False
    remedy: str = ""


class Summary(Struct, frozen=True, kw_only=True, tag="summary", tag_field="type"):
    """What a whole check looked at.

    Attributes:
        blobs: blobs hashed.
        layers: layers compared with their blobs.
        unverified: layers whose blob is gone, so that there is nothing to compare with.
        findings: how many there were.
        repaired: how many of those are right again.
    """

    blobs: int = 0
    layers: int = 0
    unverified: int = 0
    findings: int = 0
    repaired: int = 0


CheckMessage = Finding | Summary


class _Layer(Struct, frozen=True, kw_only=True):
    """A layer of an image: what is recorded for it, and the blob it can be made of."""

    chain_id: ChainId
    diff_id: Digest
    parent: ChainId | None
    blob: Digest


class Checker:
    """Checks, one at a time or several; see `run`."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        content: ContentStore,
        snapshotter: Snapshotter,
        archiver: Archiver,
        leases: Leases,
        uses: Uses,
        refetch: Refetch,
    ) -> None:
        self._catalog = catalog
        self._content = content
        self._snapshotter = snapshotter
        self._archiver = archiver
        self._leases = leases
        self._uses = uses
        self._refetch = refetch

    async def run(self, *, repair: bool) -> AsyncIterator[CheckMessage]:
        """Check everything; yields findings as they are made, a summary last.

        Args:
            repair: mend what can be mended; else nothing is changed.
        """
        summary = Summary()
        async with self._leases.take() as lease:
            for digest in sorted(self._catalog.blobs()):
                finding = await self._check_blob(digest, repair=repair)
                if finding is not None:
                    summary = _counted(summary, finding)
                    yield finding
                if self._content.has(digest):
                    summary = structs.replace(summary, blobs=summary.blobs + 1)
            for layer in _base_first(self._catalog):
                if not self._content.has(layer.blob) and self._snapshotter.layer(layer.chain_id):
                    summary = structs.replace(summary, unverified=summary.unverified + 1)
                    continue
                finding = await self._check_layer(layer, lease, repair=repair)
                summary = structs.replace(summary, layers=summary.layers + 1)
                if finding is not None:
                    summary = _counted(summary, finding)
                    yield finding
        yield summary

    # --- blobs

    async def _check_blob(self, digest: Digest, *, repair: bool) -> Finding | None:
        problem = await self._blob_problem(digest)
        if not problem:
            return None
        owners = [image for image in self._catalog if digest in _blobs_of(image)]
        if not owners:
            return None  # removed meanwhile
        finding = Finding(
            kind="blob", name=digest, problem=problem, images=[spell(image) for image in owners]
        )
        if not repair:
            return structs.replace(finding, remedy="run again with --repair")
        async with self._leases.lock:
            await self._content.delete(digest)
        return await self._fetch_again(finding, digest, owners)

    async def _blob_problem(self, digest: Digest) -> str:
        try:
            actual = await asyncio.to_thread(_hash, self._content.path(digest))
        except FileNotFoundError:
            # Layers live on unpacked; configs and manifests have no other copy.
            return "" if self._is_layer(digest) else "it is missing"
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        return "" if actual == digest else f"its content has the digest {actual}"

    def _is_layer(self, digest: Digest) -> bool:
        return any(digest == layer.digest for image in self._catalog for layer in image.layers)

    async def _fetch_again(
        self, finding: Finding, digest: Digest, owners: Sequence[Image]
    ) -> Finding:
        failure = ""
        for reference in (name for image in owners for name in image.digests):
            try:
                async for _ in self._refetch(reference):
                    pass
            except EngineError as error:
                failure = f" ({reference}: {error.message})"
                continue
            if not await self._blob_problem(digest) and self._content.has(digest):
                return structs.replace(finding, repaired=True, remedy=f"fetched from {reference}")
        kept = "its files are kept unpacked" if self._is_layer(digest) else "save and push need it"
        return structs.replace(
            finding,
            remedy=f"the wrong copy was deleted, {kept}: pull or load the image again{failure}",
        )

    # --- layers

    async def _check_layer(self, layer: _Layer, lease: Lease, *, repair: bool) -> Finding | None:
        lease.hold_chain(layer.chain_id)
        writer = await self._snapshotter.begin_layer()
        try:
            return await self._compare(layer, writer, repair=repair)
        finally:
            await writer.abort()

    async def _compare(self, layer: _Layer, writer: LayerWriter, *, repair: bool) -> Finding | None:
        finding = Finding(
            kind="layer", name=layer.chain_id, problem="", images=self._owners(layer.chain_id)
        )
        try:
            size = await self._unpack(layer, writer)
        except (InvalidArgument, NotFound, FileNotFoundError) as error:
            if self._catalog_lost(layer.chain_id):
                return None
            if self._snapshotter.layer(layer.chain_id) is not None:
                return None  # its blob is a finding of its own
            problem = f"its files are missing, and its blob is no help: {error}"
            return structs.replace(finding, problem=problem, remedy="pull or load the image again")
        record = self._snapshotter.layer(layer.chain_id)
        if record is None:
            if self._catalog_lost(layer.chain_id):
                return None
            finding = structs.replace(finding, problem="its files are missing")
        else:
            problem = await self._layer_problem(record, writer)
            if not problem:
                return None
            finding = structs.replace(finding, problem=problem)
        if not repair:
            return structs.replace(finding, remedy="run again with --repair")
        return await self._mend(finding, layer, record, writer, size)

    async def _layer_problem(self, record: LayerRecord, writer: LayerWriter) -> str:
        found = self._snapshotter.layer_directory(record)
        try:
            wrong = await asyncio.to_thread(
                lambda: list(islice(differences(writer.directory, found), _NAMED + 1))
            )
        except OSError as error:
            return f"its files cannot be read: {error.strerror}"
        more = ", …" if len(wrong) > _NAMED else ""
        return ", ".join(wrong[:_NAMED]) + more

    async def _mend(
        self,
        finding: Finding,
        layer: _Layer,
        record: LayerRecord | None,
        writer: LayerWriter,
        size: int,
    ) -> Finding:
        running = self._running_on(layer.chain_id)
        if record is not None and running:
            return structs.replace(
                finding,
                remedy=f"container {short(running)} runs on it: stop it, then check again",
            )
        try:
            if record is None:
                await writer.commit(
                    chain_id=layer.chain_id,
                    diff_id=layer.diff_id,
                    parent=layer.parent,
                    size=size,
                )
            else:
                await writer.replace(record)
        except NotFound as error:  # the layer below is beyond repair, or this one was removed
            return structs.replace(finding, remedy=f"not unpacked again: {error.message}")
        return structs.replace(finding, repaired=True, remedy="unpacked again")

    async def _unpack(self, layer: _Layer, writer: LayerWriter) -> int:
        fd = os.open(self._content.path(layer.blob), os.O_RDONLY | os.O_CLOEXEC)
        try:
            unpacked = await self._archiver.unpack_layer(fd, writer.directory)
        finally:
            os.close(fd)
        if unpacked.diff_id != layer.diff_id:
            raise InvalidArgument(f"its blob unpacks to {unpacked.diff_id}")
        return unpacked.size

    def _catalog_lost(self, chain_id: ChainId) -> bool:
        return chain_id not in self._catalog.chains()

    def _owners(self, chain_id: ChainId) -> list[str]:
        return [spell(image) for image in self._catalog if chain_id in image.chain_ids]

    def _running_on(self, chain_id: ChainId) -> str:
        """ID of a container that runs on a layer, "" for none."""
        for image_id, uses in self._uses().items():
            image = self._catalog.by_id(image_id)
            if image is not None and chain_id in image.chain_ids:
                for use in uses:
                    if use.running:
                        return use.container_id
        return ""


def spell(image: Image) -> str:
    """How users know an image."""
    names = [*image.tags, *image.digests]
    return spell_untagged(names[0]) if names else short(image.id)


def _blobs_of(image: Image) -> set[Digest]:
    manifest = [] if image.manifest is None else [image.manifest.digest]
    return {Digest(image.id), *manifest, *(layer.digest for layer in image.layers)}


def _base_first(catalog: Catalog) -> list[_Layer]:
    """Every layer once, each after the one it stands on."""
    found: dict[ChainId, _Layer] = {}
    for image in catalog:
        parent: ChainId | None = None
        rows = zip(image.chain_ids, image.document.rootfs.diff_ids, image.layers, strict=False)
        for chain_id, diff_id, blob in rows:
            found.setdefault(
                chain_id,
                _Layer(chain_id=chain_id, diff_id=diff_id, parent=parent, blob=blob.digest),
            )
            parent = chain_id
    return list(found.values())


def _hash(path: str) -> Digest:
    sha256 = hashlib.sha256()
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    with open(path, "rb", buffering=0) as file:
        while size := file.readinto(view):
            sha256.update(view[:size])
    return Digest("sha256:" + sha256.hexdigest())


def _counted(summary: Summary, finding: Finding) -> Summary:
    return structs.replace(
        summary,
        findings=summary.findings + 1,
        repaired=summary.repaired + finding.repaired,
    )
