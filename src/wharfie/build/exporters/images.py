"""Images into the store: config with the layers' digests, record, tags."""

from __future__ import annotations

from msgspec import structs

from wharfie.build.cache import inline
from wharfie.build.cache.steps import StepCache
from wharfie.build.exporters.squashing import Squasher
from wharfie.engine.images.making.building import BuildImages, NewImage
from wharfie.engine.images.making.importing import encode_document
from wharfie.formats.digest import hex_of, sha256_digest
from wharfie.formats.reference import parse_reference
from wharfie.model.build.plan import CONTENT_MARK
from wharfie.model.build.progress import ProgressSink
from wharfie.model.build.solver import ImageExport, SolvedLayer
from wharfie.model.errors import Internal
from wharfie.model.ids import ImageId
from wharfie.model.image import History, ImageDocument, RootFS


class StoreExporter:
    """See `model.build.solver.ImageExporter`."""

    def __init__(self, images: BuildImages, cache: StepCache, squasher: Squasher) -> None:
        self._images = images
        self._cache = cache
        self._squasher = squasher

    async def export(
        self,
        export: ImageExport,
        progress: ProgressSink,  # noqa: ARG002 - told by who exports
    ) -> ImageId:
        """Write config and record, then tag; equal input gives an equal ID."""
        base = export.planned.base
        image = self._images.find(base.digest) if base and export.planned.is_base else None
        if image is not None:
            names = [parse_reference(name) for name in export.names]
            return (await self._images.tag(image, names)).id
        if export.squash:
            return await self._export_squashed(export)
        return await self._record(export, finished_document(export), self._members(export))

    async def _export_squashed(self, export: ImageExport) -> ImageId:
        document = finished_document(export)
        base = export.planned.base.document if export.planned.base else ImageDocument()
        below, layers = len(base.rootfs.diff_ids), export.solved.layers
        if len(layers) <= below:
            return await self._record(export, document, {})
        layers = await self._squasher.squash(layers, below)
        try:
            return await self._record(export, squashed_document(document, base, layers), {})
        finally:
            await self._images.let_go([layers[-1].chain_id])

    async def _record(
        self, export: ImageExport, document: ImageDocument, members: dict[str, object]
    ) -> ImageId:
        names = [parse_reference(name) for name in export.names]
        new = NewImage(document=document, members=members, names=names)
        return (await self._images.record(new)).id

    def _members(self, export: ImageExport) -> dict[str, object]:
        if not export.inline_cache:
            return {}
        return {inline.MEMBER: inline.encode(export.solved.layers, self._cache.keys_by_layer())}


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


def squashed_document(
    document: ImageDocument, base: ImageDocument, layers: list[SolvedLayer]
) -> ImageDocument:
    """The document of an image whose own layers became one. Source: moby, SquashImage."""
    own = document.history[len(base.history) :]
    merged = sha256_digest(encode_document(document))
    comment = f"merge {merged} to {document.parent}"
    step = History(created=document.created, comment=comment)
    history = [*base.history, *(structs.replace(one, empty_layer=True) for one in own), step]
    diff_ids = [layer.diff_id for layer in layers]
    return structs.replace(document, history=history, rootfs=RootFS(diff_ids=diff_ids))
