"""Results opened to be read: layers as a detached read-only mount, directories as they are."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wharfie.build.solver.results import DirectoryResult, Result
from wharfie.model.errors import NotFound
from wharfie.model.snapshot import StepSnapshotter

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Trees:
    """Opens results."""

    def __init__(self, snapshots: StepSnapshotter) -> None:
        self._snapshots = snapshots

    async def open(self, result: Result, *, remapped: bool = False) -> int:
        """A descriptor of the root of a result; the caller closes it.

        Raises:
            NotFound: it has no files at all.
        """
        if isinstance(result, DirectoryResult):
            return os.open(result.directory, _DIRECTORY)
        # Named, not provisional: nothing may delete what somebody reads.
        layers = await result.layers()
        if not layers:
            raise NotFound("/")
        return await self._snapshots.view(layers[-1].chain_id, remapped=remapped)

    @asynccontextmanager
    async def opened(self, result: Result) -> AsyncIterator[int]:
        """A descriptor for the time of a block."""
        fd = await self.open(result)
        try:
            yield fd
        finally:
            os.close(fd)
