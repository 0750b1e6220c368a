"""Images into the store: config with the layers' digests, record, tags."""

from __future__ import annotations

from msgspec import structs

from wharfie.engine.images.making.building import BuildImages, NewImage
from wharfie.formats.reference import parse_reference
from wharfie.model.build.progress import ProgressSink
from wharfie.model.build.solver import ImageExport
from wharfie.model.errors import Internal, NotSupported
from wharfie.model.ids import ImageId
from wharfie.model.image import ImageDocument, RootFS


class StoreExporter:
    """See `model.build.solver.ImageExporter`."""

    def __init__(self, images: BuildImages) -> None:
        self._images = images

    async def export(self, export: ImageExport, progress: ProgressSink) -> ImageId:
        """Write config and record, then tag; equal input gives an equal ID."""
        if export.squash:
            raise NotSupported("squash is not supported yet")
        document = finished_document(export)
        image = await self._images.record(
            NewImage(
                document=document,
                members={},
                names=[parse_reference(name) for name in export.names],
            )
        )
        del progress
        return image.id


def finished_document(export: ImageExport) -> ImageDocument:
    """The planned document with the layers that were made.

    Raises:
        Internal: history tells of another number of layers.
    """
    document = export.planned.document
    diff_ids = [layer.diff_id for layer in export.solved.layers]
    told = sum(not step.empty_layer for step in document.history)
    if document.history and told > len(diff_ids):
        raise Internal(f"history tells of {told} layers, {len(diff_ids)} were made")
    return structs.replace(document, rootfs=RootFS(diff_ids=diff_ids))
