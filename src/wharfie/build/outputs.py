"""Results sent to callers: `--output type=local|tar`."""

from __future__ import annotations

import os
from contextlib import aclosing

from wharfie.build.session import CallerSession
from wharfie.model.archive import Archiver, Root
from wharfie.model.build.solver import Solved
from wharfie.model.errors import Unavailable
from wharfie.model.snapshot import Snapshotter

_EMPTY_ARCHIVE = bytes(1024)


class ResultSender:
    """See `build.ports.ResultOutputs`."""

    def __init__(self, snapshotter: Snapshotter, archiver: Archiver) -> None:
        self._snapshotter = snapshotter
        self._archiver = archiver

    async def send(self, solved: Solved, session: CallerSession, name: str) -> None:
        """Send the files of a result as a tar."""
        channel = await session.output(name)
        try:
            if not solved.layers:
                await channel.tell(_EMPTY_ARCHIVE)
            else:
                root = await self._snapshotter.view(solved.layers[-1].chain_id)
                try:
                    stream = self._archiver.pack_tree(Root(descriptor=root))
                    async with aclosing(stream) as chunks:  # type: ignore[type-var]
                        async for chunk in chunks:
                            await channel.tell(chunk)
                finally:
                    os.close(root)
            await channel.end()
            async for _ in channel:
                raise Unavailable("the client answered an output with data")
        finally:
            await channel.close()
