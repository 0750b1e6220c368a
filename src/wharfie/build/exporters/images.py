"""Images into the store: config with the layers' digests, record, tags."""

from __future__ import annotations

from msgspec import structs

from wharfie.engine.images.making.building import BuildImages, NewImage
from wharfie.formats.digest import hex_of
from wharfie.formats.reference import parse_reference
from wharfie.model.build.plan import CONTENT_MARK
from wharfie.model.build.progress import ProgressSink
from wharfie.model.build.solver import ImageExport
from wharfie.model.errors import Internal, NotSupported
from wharfie.model.ids import ImageId
from wharfie.model.image import History, ImageDocument, RootFS


class StoreExporter:
    """See `model.build.solver.ImageExporter`."""

    def __init__(self, images: BuildImages) -> None:
        self._images = images

    async def export(self, export: ImageExport, progress: ProgressSink) -> ImageId:
        """Write config and record, then tag; equal input gives an equal ID."""
        if export.squash:
            raise NotSupported("squash is not supported yet")
        base = export.planned.base
        image = self._images.find(base.digest) if base and export.planned.is_base else None
        if image is not None:
            names = [parse_reference(name) for name in export.names]
            return (await self._images.tag(image, names)).id
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
    history: list[History] = []
    above = iter(diff_ids[max(0, len(diff_ids) - told) :])
    for step in document.history:
        if step.empty_layer:
            history.append(step)
            continue
        hexadecimal = hex_of(next(above))
        text = step.created_by.replace(CONTENT_MARK, hexadecimal)
        history.append(structs.replace(step, created_by=text))
    return structs.replace(document, rootfs=RootFS(diff_ids=diff_ids), history=history)
