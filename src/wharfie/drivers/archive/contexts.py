"""Build contexts received by jail workers: the `ContextWorker` port."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

from wharfie.drivers.archive import readiness
from wharfie.drivers.archive.archiver import JailArchiver
from wharfie.drivers.archive.job import JobRun
from wharfie.formats.session import manifest
from wharfie.jail import protocol
from wharfie.model.archive import Limits, Root
from wharfie.model.build.contexts import ContextDialog


class JailContexts:
    """Fills trees of contexts, each in a worker process.

    Args:
        archiver: whose workers do it.
        limits: bounds of one context.
    """

    def __init__(self, archiver: JailArchiver, limits: Limits) -> None:
        self._archiver = archiver
        self._limits = limits

    async def unpack_context(self, root: Root, number: int, source: AsyncIterator[bytes]) -> int:
        """Unpack a tar into a tree (see the port)."""
        task = protocol.UnpackContext(number, self._limits)
        return (await self._run(task, root, source, None)).size

    async def assemble_context(self, root: Root, number: int, dialog: ContextDialog) -> int:
        """Make a tree of a manifest (see the port)."""
        task = protocol.AssembleContext(number, self._limits)
        return (await self._run(task, root, aiter(dialog), dialog)).size

    async def _run(
        self,
        task: protocol.Task,
        root: Root,
        source: AsyncIterator[bytes],
        dialog: ContextDialog | None,
    ) -> protocol.Finished:
        read_end, write_end = readiness.open_pipe()
        os.set_blocking(write_end, False)
        try:
            async with self._archiver.job(task, root, read_end) as job:
                os.close(read_end)
                read_end = -1
                job.stall = None  # a client may be slow
                feeding, write_end = self._archiver.feed(write_end, source, job), -1
                async with asyncio.TaskGroup() as group:
                    fed = group.create_task(feeding)
                    done = await _listen(job, dialog)
                    # What stands behind the end of an archive is nobody's, but has to be read.
                    if dialog is None:
                        await fed
                    else:
                        fed.cancel()
                return done
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            for fd in (read_end, write_end):
                if fd >= 0:
                    os.close(fd)


async def _listen(job: JobRun, dialog: ContextDialog | None) -> protocol.Finished:
    while True:
        message = await job.next_message()
        if isinstance(message, protocol.Finished):
            return message
        if isinstance(message, protocol.Wanted) and dialog is not None:
            tag = manifest.WANT_FILES if message.files else manifest.WANT_BLOCKS
            await dialog.tell(manifest.encode_wanted(tag, message.numbers, last=message.last))
