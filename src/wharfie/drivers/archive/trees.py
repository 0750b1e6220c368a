"""The TreeWorker port, carried out by jail workers of the archiver's zygote."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager

from wharfie.drivers.archive.archiver import JailArchiver
from wharfie.jail import protocol
from wharfie.kernel import mounts
from wharfie.kernel.mount_clones import clone_open
from wharfie.model.archive import Limits, Root, Unpacked
from wharfie.model.build.files import CopyPlan, MountPoint, Selection
from wharfie.model.ids import Digest

_O_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class JailTrees:
    """Works on trees, each call in a worker process.

    Args:
        archiver: whose zygote forks the workers.
        limits: bounds of archives that are added.
    """

    def __init__(self, archiver: JailArchiver, limits: Limits | None = None) -> None:
        self._archiver = archiver
        self._limits = limits or Limits()
        self._at_once = asyncio.Semaphore(2 * (os.cpu_count() or 1))

    async def checksum(
        self,
        root: int,
        selection: Selection,
        *,
        root_owned: bool = False,
        index: str = "",
    ) -> Digest:
        """Sum up chosen files (see the port)."""
        task = protocol.Checksum(selection=selection, root_owned=root_owned)
        data = os.open(index or os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return Digest((await self._run(task, root, data)).diff_id)
        finally:
            os.close(data)

    async def copy(self, source: int, target: int, plan: CopyPlan, *, layer: str = "") -> None:
        """Copy chosen files of one tree into another (see the port)."""
        with ExitStack() as stack:
            data = [await asyncio.to_thread(_detach, source)]
            stack.callback(os.close, data[0])
            if layer:
                data.append(await asyncio.to_thread(mounts.clone_tree, layer))
                stack.callback(os.close, data[1])
            task = protocol.CopyFiles(plan, self._limits, has_layer=bool(layer))
            await self._run(task, target, *data)

    async def make_directory(
        self, root: int, path: str, *, mode: int, owner: tuple[int, int]
    ) -> None:
        """Make a directory (see the port)."""
        await self._run(protocol.MakeDirectories(path=path, mode=mode, owner=owner), root)

    async def write_file(
        self, root: int, path: str, data: bytes, *, mode: str, owner: tuple[int, int]
    ) -> None:
        """Write a file (see the port)."""
        async with _file(data) as file:
            await self._run(protocol.WriteFile(path=path, mode=mode, owner=owner), root, file)

    async def finish_layer(
        self, directory: str, *, mount_points: Sequence[MountPoint] = (), epoch: int | None = None
    ) -> Unpacked:
        """Clean and hash a layer (see the port)."""
        root = os.open(directory, _O_DIRECTORY)
        try:
            task = protocol.FinishLayer(mount_points=mount_points, epoch=epoch)
            done = await self._run(task, root)
        finally:
            os.close(root)
        return Unpacked(Digest(done.diff_id), done.size, done.entries, done.length)

    async def _run(self, task: protocol.BuildTask, root: int, *data: int) -> protocol.Finished:
        async with (
            self._at_once,
            self._archiver.job(task, Root(descriptor=root), *data) as job,
        ):
            job.stall = None  # silent by nature, and bounded by its processor time
            return await job.finished()


def _detach(directory: int) -> int:
    """A mount of a directory alone: from it no ".." leads to what is around it."""
    try:
        return clone_open(directory, recursive=False)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.dup(directory)  # detached already, which older kernels do not copy


@asynccontextmanager
async def _file(data: bytes) -> AsyncIterator[int]:
    fd = os.memfd_create("build-data", os.MFD_CLOEXEC)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)
