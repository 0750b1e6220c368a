"""Importing a root file system: one layer, a config, an image. Source: behaviours 124."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing

import msgspec
from msgspec import Struct

from wharfie.engine.images.archives.ingest import BlobSink, Stored, inflated
from wharfie.engine.images.layers import Unpacker
from wharfie.engine.images.records.catalog import Catalog
from wharfie.engine.images.records.leases import Lease, Leases
from wharfie.engine.images.records.registrar import Registrar
from wharfie.formats.digest import sha256_digest
from wharfie.formats.oci.descriptor import Platform
from wharfie.formats.reference import Reference
from wharfie.jail.errors import JobError
from wharfie.model import clock
from wharfie.model.archive import Limits
from wharfie.model.content import ContentStore
from wharfie.model.errors import InvalidArgument
from wharfie.model.ids import ChainId, ImageId
from wharfie.model.image import History, Image, ImageConfig, ImageDocument, RootFS

DEFAULT_MESSAGE = "Imported from -"


class ImportSpec(Struct, frozen=True, kw_only=True):
    """What the new image is to be; `name` None leaves it nameless."""

    name: Reference | None
    message: str
    config: ImageConfig
    platform: Platform


class Importer:
    """Makes images of root file systems."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        content: ContentStore,
        unpacker: Unpacker,
        leases: Leases,
        registrar: Registrar,
        limits: Limits,
    ) -> None:
        self._catalog = catalog
        self._content = content
        self._unpacker = unpacker
        self._leases = leases
        self._registrar = registrar
        self._limits = limits

    async def run(self, source: AsyncIterator[bytes], spec: ImportSpec) -> Image:
        """Read, unpack, record.

        Raises:
            InvalidArgument: not a tar.
        """
        async with self._leases.take() as lease:
            stored = await self._store(source, lease)
            size = await self._unpack(stored, lease)
            document = _document(spec, stored)
            config = encode_document(document)
            await lease.put(config)
            image = Image(
                id=ImageId(sha256_digest(config)),
                document=document,
                layers=[stored.blob],
                chain_ids=[ChainId(stored.digest)],
                size=size,
            )
            names = [str(spec.name)] if spec.name is not None else []
            image = await self._registrar.add(image, tags=names)
        self._registrar.publish("import", image, spec.name.familiar() if spec.name else "")
        return image

    async def _store(self, source: AsyncIterator[bytes], lease: Lease) -> Stored:
        sink = BlobSink(self._content, lease)
        try:
            async with aclosing(inflated(source, self._content, self._limits)) as pieces:
                async for data in pieces:
                    await sink.write(data)
            stored = await sink.finish()
        except JobError as error:
            raise InvalidArgument(f"invalid archive: {error}") from None
        finally:
            await sink.abort()
        if not stored.size:
            raise InvalidArgument("invalid archive: it is empty")
        return stored

    async def _unpack(self, stored: Stored, lease: Lease) -> int:
        chain = ChainId(stored.digest)
        lease.hold_chain(chain)
        filled = await self._unpacker.measure(stored.blob.digest)
        try:
            if filled.unpacked.diff_id != stored.digest:
                raise InvalidArgument("invalid archive: data after its end")
            record = await filled.writer.commit(
                chain_id=chain,
                diff_id=stored.digest,
                parent=None,
                size=filled.unpacked.size,
                length=filled.unpacked.length,
            )
        finally:
            await filled.writer.abort()
        return record.size


def encode_document(document: ImageDocument, more: Mapping[str, object] | None = None) -> bytes:
    """A new image config as bytes; the same document gives the same bytes.

    Args:
        document: what.
        more: members that the document has no field for.
    """
    members = {**msgspec.to_builtins(document), **(more or {})}
    # Left out as a default, but required by every reader.
    members["rootfs"] = msgspec.to_builtins(document.rootfs)
    return msgspec.json.encode(members, order="sorted")


def changed_config(changes: Sequence[str]) -> ImageConfig:
    """The config `--change` asks for; InvalidArgument when malformed."""
    # Late: only import and commit need it.
    from wharfie.engine.images.making.changes import apply_changes  # noqa: PLC0415

    return apply_changes(ImageConfig(), changes)


def _document(spec: ImportSpec, stored: Stored) -> ImageDocument:
    now = clock.now()
    message = spec.message or DEFAULT_MESSAGE
    return ImageDocument(
        architecture=spec.platform.architecture,
        os=spec.platform.os,
        variant=spec.platform.variant,
        created=now,
        comment=message,
        config=spec.config,
        rootfs=RootFS(diff_ids=[stored.digest]),
        history=[History(created=now, comment=message)],
    )
