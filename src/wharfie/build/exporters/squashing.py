"""Squashing: all layers above the base become one.

The layers are put on a mount of the base one after the other, their whiteouts deleting what is
there; overlay keeps what becomes of it in one directory. Source: moby `daemon/images`,
SquashImage.
"""

from __future__ import annotations

import os

from wharfie.build.solver.stacking import chain_id
from wharfie.engine.images.making.building import BuildImages
from wharfie.model.build.files import CopyPlan, Selection, TreeWorker
from wharfie.model.build.solver import SolvedLayer
from wharfie.model.errors import Internal
from wharfie.model.snapshot import StepSnapshotter, StepWriter

_EVERYTHING = CopyPlan(
    selection=Selection(sources=["."], follow=False), destination="/", is_layer=True
)


class Squasher:
    """Makes one layer of several; the caller lets go of it."""

    def __init__(self, images: BuildImages, snapshots: StepSnapshotter, files: TreeWorker) -> None:
        self._images = images
        self._snapshots = snapshots
        self._files = files

    async def squash(self, layers: list[SolvedLayer], base: int) -> list[SolvedLayer]:
        """The layers of the base and one more, which is kept (`BuildImages.keep`).

        Args:
            layers: all, base first.
            base: how many of them are the base's.
        """
        below, above = layers[:base], layers[base:]
        parent = below[-1].chain_id if below else None
        writer = await self._snapshots.begin_step(parent)
        try:
            for layer in above:
                await self._put(layer, writer)
            await writer.seal()
            found = await self._files.finish_layer(writer.directory)
            chain = chain_id(parent, found.diff_id)
            self._images.keep([chain])
            await writer.commit(
                chain_id=chain,
                diff_id=found.diff_id,
                parent=parent,
                size=found.size,
                length=found.length,
            )
        finally:
            await writer.abort()
        return [*below, SolvedLayer(chain_id=chain, diff_id=found.diff_id, size=found.size)]

    async def _put(self, layer: SolvedLayer, writer: StepWriter) -> None:
        record = self._snapshots.layer(layer.chain_id)
        if record is None:
            raise Internal(f"layer {layer.chain_id} is missing")
        directory = self._snapshots.layer_directory(record)
        source = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            root = await writer.mount()
            try:
                await self._files.copy(source, root, _EVERYTHING, layer=writer.directory)
            finally:
                os.close(root)
        finally:
            os.close(source)
