"""Layers made by build steps: an upper directory that is mounted, sealed, and becomes a layer.

Nothing is moved or copied: the directory a step wrote is the layer. While it is hashed the next
step may be mounted on it already; a directory whose layer turns out to be there already is only
deleted when nobody stands on it any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import structs

from wharfie.model.errors import Internal
from wharfie.model.ids import ChainId, Digest
from wharfie.model.snapshot import LayerRecord


class LayerUses:
    """Which directories mounted steps stand on, and which of them are to go after that.

    Args:
        throw: deletes a directory by its number.
    """

    def __init__(self, throw: Callable[[int], None]) -> None:
        self._throw = throw
        self._uses: Counter[int] = Counter()
        self._doomed: set[int] = set()

    def begin(self, numbers: Sequence[int]) -> Sequence[int]:
        """Somebody stands on these."""
        self._uses.update(numbers)
        return numbers

    def end(self, numbers: Sequence[int]) -> None:
        """No more."""
        for number in numbers:
            self._uses[number] -= 1
            if not self._uses[number]:
                del self._uses[number]
                if number in self._doomed:
                    self._doomed.discard(number)
                    self._throw(number)

    def doom(self, number: int) -> bool:
        """Have a directory deleted later; False where nobody stands on it."""
        if number in self._uses:
            self._doomed.add(number)
            return True
        return False


class StepOwner(Protocol):
    """What a step's writer needs of the snapshotter."""

    def layer_directory(self, layer: LayerRecord) -> str:
        """Absolute path of a layer's files."""

    async def mount_step(self, number: int, lower: Sequence[int], *, remapped: bool) -> int:
        """Mount a step's layer on top of others."""

    async def seal_step(self, record: LayerRecord) -> None:
        """Let others stand on it."""

    def end_step(self, lower: Sequence[int], sealed: ChainId, kept: LayerRecord | None) -> None:
        """It stands on its lower layers no more."""

    async def commit_layer(self, record: LayerRecord) -> LayerRecord:
        """Publish it."""

    async def replace_layer(self, record: LayerRecord) -> None:
        """Publish it in place of another."""

    async def drop_layer(self, number: int) -> None:
        """Delete it."""


class OverlayStepWriter:
    """See `model.snapshot.StepWriter`."""

    def __init__(
        self, owner: StepOwner, number: int, *, parent: ChainId | None, lower: Sequence[int]
    ) -> None:
        self._owner = owner
        self._lower: Sequence[int] = lower
        self._open = True
        self._record = LayerRecord(
            chain_id=ChainId(f"step:{number}"),
            diff_id=Digest(""),
            parent=parent,
            number=number,
            size=0,
        )
        self._sealed = False

    @property
    def directory(self) -> str:
        """Absolute path of what the step writes, whiteouts included."""
        return self._owner.layer_directory(self._record)

    async def mount(self, *, remapped: bool = False) -> int:
        """Mount it writable, detached; the caller closes the descriptor."""
        return await self._owner.mount_step(self._record.number, self._lower, remapped=remapped)

    async def seal(self) -> ChainId:
        """Nobody has it mounted any more; its provisional name."""
        self._sealed = True
        await self._owner.seal_step(self._record)
        return self._record.chain_id

    async def commit(
        self,
        *,
        chain_id: ChainId,
        diff_id: Digest,
        parent: ChainId | None,
        size: int,
        length: int = 0,
    ) -> LayerRecord:
        """Publish the layer; if another one was first, that is kept and ours dropped."""
        if not self._open:
            raise Internal("the layer was already committed or dropped")
        record = structs.replace(
            self._record,
            chain_id=chain_id,
            diff_id=diff_id,
            parent=parent,
            size=size,
            length=length,
        )
        try:
            kept = await self._owner.commit_layer(record)
        except BaseException:
            await self.abort()
            raise
        self._end(kept)
        if kept is not record:
            await self._owner.drop_layer(self._record.number)
        return kept

    async def replace(self, damaged: LayerRecord) -> LayerRecord:
        """Publish in place of a layer whose files are damaged."""
        record = structs.replace(damaged, number=self._record.number)
        await self._owner.replace_layer(record)
        self._end(record)
        return record

    async def abort(self) -> None:
        """Drop it; after a commit nothing happens."""
        if self._open:
            self._end(None)
            await self._owner.drop_layer(self._record.number)

    def _end(self, kept: LayerRecord | None) -> None:
        self._open = False
        name = self._record.chain_id if self._sealed else ChainId("")
        self._owner.end_step(self._lower, name, kept)
