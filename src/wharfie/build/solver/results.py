"""Results of vertices: stacks of layers, the topmost perhaps still being hashed; directories."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import structs

from wharfie.model.build.files import Selection
from wharfie.model.build.solver import SolvedLayer
from wharfie.model.ids import ChainId


class LayeredResult:
    """A root file system.

    Attributes:
        key: stands for it in the keys of what stands on it.
        record: ID of its cache record, "" for none.
        cached: it was there before.
    """

    def __init__(
        self,
        key: str,
        *,
        layers: list[SolvedLayer] | None = None,
        naming: asyncio.Future[list[SolvedLayer]] | None = None,
        provisional: ChainId | None = None,
        record: str = "",
        cached: bool = False,
    ) -> None:
        """Begin.

        Args:
            key: see above.
            layers: all of them; None while the topmost has no name yet.
            naming: gives all, once the topmost is hashed.
            provisional: name of the topmost until then.
            record: see above.
            cached: see above.
        """
        self.key = key
        self.record = record
        self.cached = cached
        self._layers = layers
        self._naming = naming
        self._provisional = provisional

    @property
    def top(self) -> ChainId | None:
        """What to stand on right now; None for nothing."""
        layers = self._named()
        if layers is None:
            return self._provisional
        return layers[-1].chain_id if layers else None

    async def layers(self) -> list[SolvedLayer]:
        """All layers, base first, once they are named.

        Raises:
            EngineError: the topmost could not be read or recorded.
        """
        layers = self._named()
        if layers is None:
            assert self._naming is not None
            layers = await asyncio.shield(self._naming)
        return layers

    def when_named(self, then: Callable[[list[SolvedLayer]], None]) -> None:
        """Call somebody with all layers, now or once they are named; never if that fails."""
        layers = self._named()
        if layers is not None:
            then(layers)
        elif self._naming is not None:
            self._naming.add_done_callback(lambda done: _pass_on(done, then))

    def _named(self) -> list[SolvedLayer] | None:
        naming = self._naming
        if self._layers is None and naming is not None and naming.done():
            self._layers = naming.result()
        return self._layers


def _pass_on(
    done: asyncio.Future[list[SolvedLayer]], then: Callable[[list[SolvedLayer]], None]
) -> None:
    if not done.cancelled() and done.exception() is None:
        then(done.result())


class DirectoryResult:
    """A directory outside of any layer: a received context, a fetched file, a checkout.

    Attributes:
        key: digest of its content where that is known at once, else "".
        directory: absolute path, hostile.
        root_owned: its files count as root's.
        exclude: patterns of paths that count as missing.
        index: of digests that are known; see `ContextTree.index`.
    """

    def __init__(
        self,
        key: str,
        directory: str,
        *,
        root_owned: bool = True,
        exclude: tuple[str, ...] = (),
        index: str = "",
    ) -> None:
        self.key = key
        self.directory = directory
        self.root_owned = root_owned
        self.exclude = exclude
        self.index = index


Result = LayeredResult | DirectoryResult


def in_result(result: Result, selection: Selection) -> Selection:
    """Chosen files of a result: those that count as missing left out."""
    if isinstance(result, DirectoryResult) and result.exclude:
        return structs.replace(selection, ignore=result.exclude)
    return selection
