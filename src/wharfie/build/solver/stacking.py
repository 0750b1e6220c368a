"""Layers put on other layers than they were made on: `COPY --link`.

A layer is a directory that says nothing about what is below it, so another stack gets a copy of
it, with the same digest and without anything being run. Source: BuildKit's MergeOp.
"""

from __future__ import annotations

import hashlib

from wharfie.engine.images.making.building import BuildImages
from wharfie.formats.digest import Digest
from wharfie.model.archive import Archiver
from wharfie.model.build.solver import SolvedLayer
from wharfie.model.errors import Internal
from wharfie.model.ids import ChainId
from wharfie.model.snapshot import StepSnapshotter


class LayerStacker:
    """Puts layers on others."""

    def __init__(self, snapshots: StepSnapshotter, archiver: Archiver, images: BuildImages) -> None:
        self._snapshots = snapshots
        self._archiver = archiver
        self._images = images

    async def attach(self, below: list[SolvedLayer], layer: SolvedLayer) -> list[SolvedLayer]:
        """A stack with a further layer on top; the caller holds both, and then the result.

        Args:
            below: the stack.
            layer: of another stack.

        Raises:
            Internal: its files are gone or were changed.
        """
        parent = below[-1].chain_id if below else None
        chain = chain_id(parent, layer.diff_id)
        attached = SolvedLayer(
            chain_id=chain, diff_id=layer.diff_id, size=layer.size, vertex=layer.vertex
        )
        if self._snapshots.layer(chain) is None:
            await self._copy(layer, chain, parent)
        return [*below, attached]

    async def _copy(self, layer: SolvedLayer, chain: ChainId, parent: ChainId | None) -> None:
        record = self._snapshots.layer(layer.chain_id)
        if record is None:
            raise Internal(f"layer {layer.chain_id} is missing")
        writer = await self._snapshots.begin_layer()
        try:
            copied = await self._archiver.copy_layer(
                self._snapshots.layer_directory(record), writer.directory
            )
            if copied.entries and copied.diff_id != layer.diff_id:
                raise Internal(f"layer {layer.chain_id} is not what it was")
            await writer.commit(
                chain_id=chain,
                diff_id=layer.diff_id,
                parent=parent,
                size=copied.size,
                length=copied.length,
            )
        finally:
            await writer.abort()


def chain_id(parent: ChainId | None, diff_id: Digest) -> ChainId:
    """Name of a layer on top of another. Source: OCI image spec, "Layer ChainID"."""
    if parent is None:
        return ChainId(diff_id)
    return ChainId("sha256:" + hashlib.sha256(f"{parent} {diff_id}".encode()).hexdigest())
