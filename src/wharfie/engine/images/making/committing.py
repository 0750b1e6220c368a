"""Committing: an image of what a container changed, on top of the image it was made from.

The container's writable layer is copied, packed and unpacked at once, so that the copy has the
very bytes that its digest names. No blob is kept: packing the copy makes it again. Source:
behaviours 123; moby daemon/images, CommitImage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from wharfie.engine.images.making.importing import encode_document
from wharfie.engine.images.records.documents import chain_ids
from wharfie.engine.images.records.leases import Lease, Leases
from wharfie.engine.images.records.registrar import Registrar
from wharfie.formats.digest import sha256_digest
from wharfie.formats.oci.descriptor import OCI_LAYER, Descriptor, Platform
from wharfie.formats.reference import Reference
from wharfie.model import clock
from wharfie.model.archive import Archiver, Unpacked
from wharfie.model.ids import ChainId, ImageId
from wharfie.model.image import History, Image, ImageConfig, ImageDocument, RootFS
from wharfie.model.snapshot import Snapshotter


class LayerCommit(Struct, frozen=True, kw_only=True):
    """What the new image is to be.

    Attributes:
        parent: the image below, None for none.
        directory: absolute path of the writable layer.
        leave_out: its paths that are the engine's own ("/etc/hosts").
        config: of the image.
        created_by: the command history tells of.
        name: None leaves the image nameless.
    """

    parent: Image | None
    directory: str
    leave_out: Sequence[str]
    config: ImageConfig
    created_by: str
    author: str
    comment: str
    name: Reference | None


class Committer:
    """Makes images of writable layers."""

    def __init__(
        self,
        *,
        host: Platform,
        snapshotter: Snapshotter,
        archiver: Archiver,
        leases: Leases,
        registrar: Registrar,
    ) -> None:
        self._host = host
        self._snapshotter = snapshotter
        self._archiver = archiver
        self._leases = leases
        self._registrar = registrar

    async def run(self, commit: LayerCommit, check: Callable[[], None]) -> Image:
        """Copy, record, name.

        Args:
            commit: what.
            check: raises when the layer is being deleted, so that its copy cannot be trusted.
        """
        parent = commit.parent
        async with self._leases.take() as lease:
            for chain in parent.chain_ids if parent else ():
                lease.hold_chain(chain)
            layer = await self._layer(commit, check, lease)
            document = _document(commit, layer, self._host)
            config = encode_document(document)
            await lease.put(config)
            image = Image(
                id=ImageId(sha256_digest(config)),
                document=document,
                layers=_layers(parent, layer),
                chain_ids=chain_ids(document.rootfs.diff_ids),
                size=(parent.size if parent else 0) + (layer.size if layer else 0),
            )
            names = [str(commit.name)] if commit.name is not None else []
            image = await self._registrar.add(image, tags=names)
        if commit.name is not None:
            self._registrar.publish("tag", image, commit.name.familiar())
        return image

    async def _layer(
        self, commit: LayerCommit, check: Callable[[], None], lease: Lease
    ) -> Unpacked | None:
        """Copy the layer; None when nothing was changed."""
        top = commit.parent.top if commit.parent else None
        writer = await self._snapshotter.begin_layer()
        try:
            copied = await self._archiver.copy_layer(
                commit.directory, writer.directory, leave_out=commit.leave_out
            )
            check()
            if not copied.entries:
                return None
            diff_ids = commit.parent.document.rootfs.diff_ids if commit.parent else []
            chain = ChainId(chain_ids([*diff_ids, copied.diff_id])[-1])
            lease.hold_chain(chain)
            await writer.commit(
                chain_id=chain,
                diff_id=copied.diff_id,
                parent=top,
                size=copied.size,
                length=copied.length,
            )
        finally:
            await writer.abort()
        return copied


def _layers(parent: Image | None, layer: Unpacked | None) -> list[Descriptor]:
    below = parent.layers if parent else []
    if layer is None:
        return below
    own = Descriptor(media_type=OCI_LAYER, digest=layer.diff_id, size=layer.length)
    return [*below, own]


def _document(commit: LayerCommit, layer: Unpacked | None, host: Platform) -> ImageDocument:
    now = clock.now()
    parent = commit.parent
    below = parent.document if parent else ImageDocument()
    step = History(
        created=now,
        created_by=commit.created_by,
        author=commit.author,
        comment=commit.comment,
        empty_layer=layer is None,
    )
    diff_ids = below.rootfs.diff_ids if layer is None else [*below.rootfs.diff_ids, layer.diff_id]
    return ImageDocument(
        architecture=below.architecture or host.architecture,
        os=below.os or host.os,
        variant=below.variant,
        os_version=below.os_version,
        created=now,
        author=commit.author,
        comment=commit.comment,
        parent=parent.id if parent else "",
        config=commit.config,
        rootfs=RootFS(diff_ids=diff_ids),
        history=[*below.history, step],
    )
