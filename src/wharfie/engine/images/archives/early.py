"""Layers of an archive unpacked while the rest of it still comes in.

An archive tells at its end which of its members are layers, and of what. Until then whatever looks
like one is unpacked; what turns out to be none is dropped.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from wharfie.engine.images.archives.ingest import Stored
from wharfie.engine.images.archives.plain import PlainFile, compressed
from wharfie.engine.images.layers import Filled, Unpacker
from wharfie.engine.images.records.leases import Lease
from wharfie.model.content import ContentStore
from wharfie.model.errors import EngineError
from wharfie.model.ids import Digest

_AT_ONCE = 4
"""Plain layers on the disk at the same time."""


class EarlyLayers:
    """The unpackings under way of one archive; at the end of the block none is left."""

    def __init__(self, unpacker: Unpacker, content: ContentStore, lease: Lease) -> None:
        self._unpacker = unpacker
        self._content = content
        self._lease = lease
        self._group = asyncio.TaskGroup()
        self._tasks: dict[Digest, asyncio.Task[Filled | EngineError]] = {}
        self._all: list[asyncio.Task[Filled | EngineError]] = []
        self._keeping: list[asyncio.Task[Stored | EngineError | OSError]] = []
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in (*self._all, *self._keeping):
            task.cancel()
        try:
            await self._group.__aexit__(kind, error, trace)
        except BaseExceptionGroup:
            if error is None:
                raise
        finally:
            for task in self._all:
                if not task.cancelled() and not isinstance(made := task.result(), EngineError):
                    await made.writer.abort()

    def begin(self, blob: Digest) -> None:
        """Unpack a blob that is there."""
        if blob not in self._tasks:
            self._tasks[blob] = self._start_filling(self._content.path(blob))

    async def plain(self) -> PlainFile:
        """Begin a plain layer; waits while as many as may be are under way."""
        await self._room.acquire()
        try:
            return PlainFile(await self._content.scratch())
        except BaseException:
            self._room.release()
            raise

    def keep(self, file: PlainFile, digest: Digest) -> asyncio.Task[Stored | EngineError | OSError]:
        """Compress a plain layer that has come and unpack it; the file is ours to close."""
        task = self._group.create_task(self._keep(file, digest))
        self._keeping.append(task)
        return task

    async def drop(self, file: PlainFile) -> None:
        """Let go of a plain layer that is not needed or did not come."""
        await file.close()
        self._room.release()

    async def take(self, blob: Digest) -> Filled | None:
        """What became of a blob, to be committed or aborted; None when it was not begun.

        Raises:
            EngineError: it is no layer, or a bad one.
        """
        task = self._tasks.pop(blob, None)
        if task is None:
            return None
        made = await task  # cancelled with us, it drops what it made
        self._all.remove(task)
        if isinstance(made, EngineError):
            raise made
        return made

    def _start_filling(self, path: str) -> asyncio.Task[Filled | EngineError]:
        task = self._group.create_task(self._fill(path))
        self._all.append(task)
        return task

    async def _keep(self, file: PlainFile, digest: Digest) -> Stored | EngineError | OSError:
        # Opened anew: what is being compressed must not be written by a worker taken over.
        filling = self._start_filling(f"/proc/self/fd/{file.fd}")
        try:
            blob = await compressed(file.fd, file.size, self._content, self._lease)
            if not filling.done():
                await asyncio.wait({filling})  # so that room is given when the file is gone
        except (EngineError, OSError) as error:
            return error
        finally:
            await self.drop(file)
        if blob.digest not in self._tasks:
            self._tasks[blob.digest] = filling
        return Stored(digest=digest, size=file.size, blob=blob)

    async def _fill(self, path: str) -> Filled | EngineError:
        try:
            return await self._unpacker.fill(path)
        except EngineError as error:
            return error  # it counts only if this is a layer
