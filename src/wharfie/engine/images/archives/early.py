"""Layers of an archive unpacked while the rest of it still comes in.

An archive tells at its end which of its members are layers, and of what. Until then whatever looks
like one is unpacked; what turns out to be none is dropped.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from wharfie.engine.images.layers import Filled, Unpacker
from wharfie.engine.images.writeout import WriteOut
from wharfie.model.errors import EngineError
from wharfie.model.ids import Digest


class EarlyLayers:
    """The unpackings under way of one archive; at the end of the block none is left."""

    def __init__(self, unpacker: Unpacker, write_out: WriteOut) -> None:
        self._unpacker = unpacker
        self._write_out = write_out
        self._group = asyncio.TaskGroup()
        self._tasks: dict[Digest, asyncio.Task[Filled | EngineError]] = {}

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._writing = self._group.create_task(self._write_out.run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        left = list(self._tasks.values())
        self._writing.cancel()
        for task in left:
            task.cancel()
        try:
            await self._group.__aexit__(kind, error, trace)
        except BaseExceptionGroup:
            if error is None:
                raise
        finally:
            for task in left:
                if not task.cancelled() and not isinstance(made := task.result(), EngineError):
                    await made.writer.abort()

    def begin(self, blob: Digest, size: int) -> None:
        """Unpack a blob that is there, and have it on the disk in time."""
        if blob not in self._tasks:
            self._write_out.add(size)
            self._tasks[blob] = self._group.create_task(self._fill(blob))

    async def take(self, blob: Digest) -> Filled | None:
        """What became of a blob, to be committed or aborted; None when it was not begun.

        Raises:
            EngineError: it is no layer, or a bad one.
        """
        task = self._tasks.pop(blob, None)
        if task is None:
            return None
        made = await task  # cancelled with us, it drops what it made
        if isinstance(made, EngineError):
            raise made
        return made

    async def _fill(self, blob: Digest) -> Filled | EngineError:
        try:
            return await self._unpacker.measure(blob)
        except EngineError as error:
            return error  # it counts only if this is a layer
