"""The Archiver port, carried out by jail workers."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Sequence,
)
from contextlib import ExitStack, aclosing, asynccontextmanager

from wharfie.drivers.archive import readiness
from wharfie.drivers.archive.job import JobRun
from wharfie.drivers.archive.stream import ByteStream, Waiting
from wharfie.drivers.archive.zygote import ZygoteProcess
from wharfie.jail import protocol
from wharfie.model.archive import Limits, PathStat, Root, Unpacked
from wharfie.model.errors import EngineError, Internal, InvalidArgument, Unavailable
from wharfie.model.ids import Digest
from wharfie.model.piping import Pourable

_STALL_SECONDS = 120.0
_MAX_STREAMS = 64
_O_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class JailArchiver:
    """Unpacks and packs, each call in a worker process forked from the zygote.

    Args:
        limits: bounds used where the caller gives none.
        unpackers: layers unpacked at the same time; None for one per processor.
        stall: seconds a worker may make no progress before it is killed.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        unpackers: int | None = None,
        stall: float = _STALL_SECONDS,
    ) -> None:
        self._limits = limits or Limits()
        self._stall = stall
        self._unpackers = asyncio.Semaphore(unpackers or os.cpu_count() or 1)
        self._streams = asyncio.Semaphore(_MAX_STREAMS)
        self._zygote: ZygoteProcess | None = None
        self._starting = asyncio.Lock()
        self._closed = True

    async def open(self) -> None:
        """Start the zygote.

        Raises:
            Unavailable: it does not start.
        """
        self._closed = False
        await self._living_zygote()

    async def close(self) -> None:
        """End the zygote and all workers; calls in progress fail."""
        self._closed = True
        zygote, self._zygote = self._zygote, None
        if zygote is not None:
            await zygote.close()

    async def unpack_layer(
        self, blob: int, directory: str, limits: Limits | None = None
    ) -> Unpacked:
        """Unpack a layer blob into an overlay layer directory (see the port)."""
        task = protocol.UnpackLayer(limits or self._limits)
        is_file = stat.S_ISREG(os.fstat(blob).st_mode)
        root = os.open(directory, _O_DIRECTORY)
        try:
            async with self._unpackers, self._run(task, Root(descriptor=root), blob) as job:
                # What comes slowly through a pipe is no sign of a worker that hangs.
                job.stall = self._stall if is_file else None
                done = await job.finished()
        finally:
            os.close(root)
        return _unpacked(done)

    async def copy_layer(
        self, source: str, directory: str, *, leave_out: Sequence[str] = ()
    ) -> Unpacked:
        """Copy an overlay layer directory (see the port); its bytes pass by this process."""
        with ExitStack() as stack:
            opened = []
            for path in (source, directory):
                opened.append(Root(descriptor=os.open(path, _O_DIRECTORY)))
                stack.callback(os.close, opened[-1].descriptor)
            pipe = Pipe(stack)
            async with (
                self._unpackers,
                self._run(protocol.UnpackLayer(self._limits), opened[1], pipe.read_end) as unpack,
                self._run(protocol.PackLayer(leave_out), opened[0], pipe.write_end) as pack,
            ):
                pipe.close()
                pack.stall = None  # silent by nature; the other one tells of progress
                packed, unpacked = await asyncio.gather(
                    pack.finished(), unpack.finished(), return_exceptions=True
                )
        # A packer that failed leaves the other with half an archive: the first cause counts.
        for result in (unpacked, packed):
            if isinstance(result, EngineError) and not isinstance(result, InvalidArgument):
                raise result
        for result in (packed, unpacked):
            if isinstance(result, BaseException):
                raise result
        assert isinstance(unpacked, protocol.Finished)
        return _unpacked(unpacked)

    async def unpack_growing(
        self,
        blob: int,
        directory: str,
        *,
        size: int,
        growth: AsyncIterator[int],
        told: Callable[[int], None] | None = None,
    ) -> Unpacked:
        """Unpack a layer blob while it is written (see the port)."""
        task = protocol.UnpackLayer(self._limits, coming=size)
        with ExitStack() as stack:
            # What is verified later must not be written by a worker that was taken over.
            readable = os.open(f"/proc/self/fd/{blob}", os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, readable)
            root = os.open(directory, _O_DIRECTORY)
            stack.callback(os.close, root)
            counter = os.eventfd(0, os.EFD_CLOEXEC)
            stack.callback(os.close, counter)
            # Not among the unpackers: a slow network must not keep other layers waiting.
            where = Root(descriptor=root)
            async with self._streams, self._run(task, where, readable, counter) as job:
                job.stall = None
                job.told = told
                done = await _beside(_tell_growth(counter, growth), job.finished())
        return _unpacked(done)

    def pack_layer(self, directory: str) -> AsyncIterator[bytes]:
        """An overlay layer directory as a layer tar (see the port)."""
        return ByteStream(self._pack_directory(directory))

    def pack_tree(self, root: Root) -> AsyncIterator[bytes]:
        """A whole root file system as a tar (see the port).

        The root's descriptor is needed until the first chunk is there.
        """
        return ByteStream(self._pack(protocol.PackTree(), root))

    async def stat(self, root: Root, path: str) -> PathStat:
        """Stat a path inside (see the port)."""
        async with self._streams, self._run(protocol.Stat(path), root) as job:
            return await _stated(job)

    async def copy_out(self, root: Root, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
        """A path inside as a tar (see the port)."""
        stream = self._pack(protocol.CopyOut(path), root)
        found = await anext(stream)
        assert isinstance(found, PathStat)
        return found, ByteStream(stream)

    async def copy_in(
        self,
        root: Root,
        path: str,
        source: AsyncIterable[bytes],
        *,
        no_overwrite_dir_non_dir: bool = False,
        owner: tuple[int, int] | None = None,
    ) -> None:
        """Unpack a tar into a directory inside (see the port)."""
        task = protocol.CopyIn(
            path=path,
            limits=self._limits,
            no_overwrite_dir_non_dir=no_overwrite_dir_non_dir,
            owner=owner,
        )
        read_end, write_end = readiness.open_pipe()
        os.set_blocking(write_end, False)
        try:
            async with self._streams, self._run(task, root, read_end) as job:
                os.close(read_end)
                read_end = -1
                await self._pour(write_end, source, job)
                os.close(write_end)
                write_end = -1
                await job.finished()
        finally:
            for fd in (read_end, write_end):
                if fd >= 0:
                    os.close(fd)

    @asynccontextmanager
    async def job(self, task: protocol.Task, root: Root, *data: int) -> AsyncIterator[JobRun]:
        """Run a job of another port; its bytes come by descriptors the caller closes."""
        async with self._streams, self._run(task, root, *data) as run:
            yield run

    def feed(
        self, fd: int, source: AsyncIterator[bytes], job: JobRun
    ) -> Coroutine[object, object, None]:
        """Write a stream to a job's pipe and close that; a job that gave up is no error."""
        return self._feed_and_close(fd, source, job)

    async def _pour(self, fd: int, source: AsyncIterable[bytes], job: JobRun) -> None:
        if not isinstance(source, Pourable):
            await self._feed(fd, source, job)
            return
        try:
            await source.pour(fd, self._stall)
        except BrokenPipeError:
            return  # the worker gave up; its last message says why
        except TimeoutError:
            job.raise_stalled()

    async def _feed(self, fd: int, source: AsyncIterable[bytes], job: JobRun) -> None:
        async for chunk in source:
            try:
                await readiness.write(fd, chunk, self._stall)
            except BrokenPipeError:
                return  # the worker gave up; its last message says why
            except readiness.Stalled:
                job.raise_stalled()

    async def _feed_and_close(self, fd: int, source: AsyncIterator[bytes], job: JobRun) -> None:
        try:
            await self._feed(fd, source, job)
        finally:
            os.close(fd)

    async def _pack_directory(self, directory: str) -> AsyncGenerator[Waiting | PathStat, None]:
        root = os.open(directory, _O_DIRECTORY)
        try:
            async with aclosing(self._pack(protocol.PackLayer(), Root(descriptor=root))) as stream:
                async for chunk in stream:
                    yield chunk
        finally:
            os.close(root)

    async def _pack(
        self, task: protocol.Task, root: Root
    ) -> AsyncGenerator[Waiting | PathStat, None]:
        """What waits in the pipe of a packing job, after a PathStat where the job tells one."""
        read_end, write_end = readiness.open_pipe()
        os.set_blocking(read_end, False)
        try:
            async with self._streams, self._run(task, root, write_end) as job:
                os.close(write_end)
                write_end = -1
                if isinstance(task, protocol.CopyOut):
                    yield await _stated(job)
                while size := await self._waiting(read_end, job):
                    yield Waiting(read_end, size)
                await job.finished()
        finally:
            os.close(read_end)
            if write_end >= 0:
                os.close(write_end)

    async def _waiting(self, fd: int, job: JobRun) -> int:
        try:
            return await readiness.waiting(fd, self._stall)
        except readiness.Stalled:
            job.raise_stalled()

    @asynccontextmanager
    async def _run(self, task: protocol.Task, root: Root, *data: int) -> AsyncIterator[JobRun]:
        job = protocol.Job(task=task, mounts=root.mounts, read_only=root.read_only)
        message = protocol.encode(job)
        if len(message) > protocol.MAX_MESSAGE:
            raise Internal("archive worker: the job has too many mounts")
        for last_try in (False, True):
            zygote = await self._living_zygote()
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                ours.setblocking(False)
                ours.send(message)
                descriptors = [theirs.fileno(), root.descriptor, *data]
                try:
                    worker = await zygote.fork(ours, descriptors)
                except Unavailable:
                    ours.close()
                    if last_try:
                        raise
                    continue  # it died since the last job; a new one is made
                except BaseException:
                    ours.close()
                    raise
            async with JobRun(worker, stall=self._stall) as run:
                yield run
            return

    async def _living_zygote(self) -> ZygoteProcess:
        async with self._starting:
            if self._closed:
                raise Unavailable("the archiver is closed")
            if self._zygote is not None and self._zygote.dead:
                await self._zygote.close()
                self._zygote = None
            if self._zygote is None:
                zygote = ZygoteProcess()
                try:
                    await zygote.ready()
                except BaseException:
                    await zygote.close()
                    raise
                self._zygote = zygote
            return self._zygote


class Pipe:
    """A pipe between two workers; both ends go at the latest with the stack."""

    def __init__(self, stack: ExitStack) -> None:
        self.read_end, self.write_end = readiness.open_pipe()
        self._closing = stack.enter_context(ExitStack())
        for end in (self.read_end, self.write_end):
            self._closing.callback(os.close, end)

    def close(self) -> None:
        """Leave the pipe to the workers."""
        self._closing.close()


def _unpacked(done: protocol.Finished) -> Unpacked:
    return Unpacked(Digest(done.diff_id), done.size, done.entries, done.length)


async def _stated(job: JobRun) -> PathStat:
    message = await job.next_message()
    if isinstance(message, protocol.Stated):
        return message.stat
    raise Internal("archive worker: it told of no path")


async def _tell_growth(counter: int, growth: AsyncIterator[int]) -> None:
    async for added in growth:
        os.eventfd_write(counter, added)


async def _beside(
    feeding: Coroutine[object, object, None],
    finished: Coroutine[object, object, protocol.Finished],
) -> protocol.Finished:
    """Listen to a worker while it is told of what comes; its word ends both."""
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(feeding)
            done = await finished
            task.cancel()
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return done
