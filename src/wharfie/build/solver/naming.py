"""Naming layers: hashed, committed, recorded; behind the back of the step that comes next.

step n    ├── run ──┤── hash ── commit ── record ──┤
step n+1              ├── run ──┤── hash ─ waits for the name below ─ commit ── record ──┤
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from wharfie.build.solver.ports import SolverPorts
from wharfie.build.solver.results import LayeredResult
from wharfie.build.solver.stacking import chain_id
from wharfie.formats.digest import Digest
from wharfie.model.build.files import MountPoint
from wharfie.model.build.solver import SolvedLayer
from wharfie.model.ids import ChainId
from wharfie.model.snapshot import StepWriter


class NewLayer(Struct, frozen=True, kw_only=True):
    """A layer that was written and sealed.

    Attributes:
        writer: of it.
        below: what it stands on.
        provisional: its name for now.
        mount_points: what the runtime may have left in it.
        key: stands for the result.
        keys: under which it is recorded.
        vertex: that made it.
        inputs: results it comes from; their records have IDs once they are named.
    """

    writer: StepWriter
    below: LayeredResult
    provisional: ChainId
    mount_points: Sequence[MountPoint]
    key: str
    keys: list[str]
    vertex: Digest
    description: str
    inputs: list[LayeredResult]


class LayerNamer:
    """Names layers in the background; a build that is cancelled keeps what was finished."""

    def __init__(self, ports: SolverPorts, *, epoch: int | None) -> None:
        self._ports = ports
        self._epoch = epoch

    def begin(self, new: NewLayer) -> LayeredResult:
        """Have a layer named; the result may be stood on at once."""
        naming: asyncio.Future[list[SolvedLayer]] = asyncio.get_running_loop().create_future()
        result = LayeredResult(new.key, naming=naming, provisional=new.provisional)
        work = self._run(new, result, naming)
        self._ports.nursery.start(work, f"hashing the layer of {new.description}")
        return result

    async def _run(
        self, new: NewLayer, result: LayeredResult, naming: asyncio.Future[list[SolvedLayer]]
    ) -> None:
        try:
            layers = await self._name(new, result)
        except asyncio.CancelledError:
            naming.cancel()
            raise
        except BaseException as error:  # noqa: BLE001 - raised in everybody who waits
            naming.set_exception(error)
            naming.exception()  # a build that was cancelled waits no more
        else:
            naming.set_result(layers)
        finally:
            await new.writer.abort()

    async def _name(self, new: NewLayer, result: LayeredResult) -> list[SolvedLayer]:
        found = await self._ports.files.finish_layer(
            new.writer.directory, mount_points=new.mount_points, epoch=self._epoch
        )
        below = await new.below.layers()
        parent = below[-1].chain_id if below else None
        layer = SolvedLayer(
            chain_id=chain_id(parent, found.diff_id),
            diff_id=found.diff_id,
            size=found.size,
            vertex=new.vertex,
        )
        layers = [*below, layer]
        chains = [one.chain_id for one in layers]
        self._ports.images.keep(chains)
        try:
            await new.writer.commit(
                chain_id=layer.chain_id,
                diff_id=found.diff_id,
                parent=parent,
                size=found.size,
                length=found.length,
            )
            record = await self._ports.cache.put(
                new.key,
                new.keys,
                layers,
                parents=[one.record for one in new.inputs],
                description=new.description,
            )
            result.record = record.id  # before anybody hears of the name
        finally:
            await self._ports.images.let_go(chains)
        return layers
