"""A worker: shut in, then one job from its control socket, then gone."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import socket
import time
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress

from wharfie.jail import container_path, names
from wharfie.jail.assemble import ContextAssembler
from wharfie.jail.build.tasks import perform_build
from wharfie.jail.confine import Confinement
from wharfie.jail.context import ContextUnpacker, open_context
from wharfie.jail.errors import JobError
from wharfie.jail.inflate import GrowingFile, Source, chunks
from wharfie.jail.layer import LayerUnpacker
from wharfie.jail.layer_pack import LayerPacker, TreePacker
from wharfie.jail.pack import Packer
from wharfie.jail.pipeline import Hasher, ReadAhead
from wharfie.jail.protocol import (
    MAX_MESSAGE,
    AssembleContext,
    Checksum,
    CopyFiles,
    CopyIn,
    CopyOut,
    Failed,
    Failure,
    Finished,
    FinishLayer,
    FromWorker,
    Job,
    MakeDirectories,
    OpaqueDirectories,
    PackLayer,
    PackTree,
    Progress,
    Stat,
    Stated,
    Task,
    UnpackContext,
    UnpackLayer,
    Wanted,
    WriteFile,
    decode_job,
    encode,
)
from wharfie.jail.sink import Sink
from wharfie.jail.tree import O_PATH_DIRECTORY, Tree
from wharfie.jail.unpack import Unpacker
from wharfie.kernel import privileges
from wharfie.model.archive import Limits

_CONTROL, _ROOT, _DATA, _GROWTH = 3, 4, 5, 6
_ABOVE = 64
_WRITES = frozenset(
    {
        privileges.CAP_CHOWN,
        privileges.CAP_DAC_OVERRIDE,
        privileges.CAP_FOWNER,
        privileges.CAP_FSETID,
        privileges.CAP_MKNOD,
        privileges.CAP_SETFCAP,
    }
)
_READS = frozenset({privileges.CAP_DAC_OVERRIDE})
# trusted.overlay.opaque shows itself only to CAP_SYS_ADMIN. What else that allows the system call
# filter refuses, and a layer directory is read, not parsed.
_READS_TRUSTED = _READS | {privileges.CAP_SYS_ADMIN}
_PROGRESS_SECONDS = 0.1


def run(confinement: Confinement, zygote: int, descriptors: list[int]) -> None:
    """Be a worker, right after the fork; the process ends after.

    Args:
        confinement: prepared by the zygote.
        zygote: its pid, to notice that it died before we could ask to be told.
        descriptors: control socket, root directory, and data where the task has any, and what
            tells of its growth.
    """
    privileges.die_with_parent(signal.SIGKILL)
    if os.getppid() != zygote:
        return
    _arrange(descriptors)
    control = socket.socket(fileno=_CONTROL)
    privileges.set_name("wharfie-jail")
    try:
        job = decode_job(control.recv(MAX_MESSAGE))
        confinement.enter(_ROOT, job, _capabilities(job.task))
        reply: FromWorker = _Worker(control).perform(job)
    except JobError as error:
        reply = Failed(error.failure, str(error))
    except MemoryError:
        reply = Failed(Failure.INVALID_ARGUMENT, "archive needs more memory than it may take")
    except BrokenPipeError:
        return  # nobody reads any more
    except Exception as error:  # noqa: BLE001 - a bug is reported to the daemon, with its place
        reply = Failed(Failure.INTERNAL, f"archive worker: {error!r}", _trace(error))
    control.send(encode(reply))


def _arrange(descriptors: list[int]) -> None:
    """Move the descriptors to fixed places, close all others, point 0 to 2 at /dev/null."""
    null = os.open("/dev/null", os.O_RDWR)
    safe = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _ABOVE) for fd in descriptors]
    for target in (0, 1, 2):
        os.dup2(null, target)
    os.closerange(3, _ABOVE)
    for place, fd in enumerate(safe, _CONTROL):
        os.dup2(fd, place, inheritable=False)
    os.closerange(_CONTROL + len(safe), 1 << 20)


def _capabilities(task: Task) -> Iterable[int]:
    match task:
        case CopyFiles() if task.plan.is_layer:
            return _READS_TRUSTED | _WRITES
        case (
            UnpackLayer()
            | CopyIn()
            | CopyFiles()
            | MakeDirectories()
            | WriteFile()
            | UnpackContext()
            | AssembleContext()
        ):
            return _WRITES
        case PackLayer():
            return _READS_TRUSTED
        case FinishLayer():
            return _READS_TRUSTED | _WRITES
        case PackTree() | CopyOut() | Stat() | Checksum():
            return _READS


class _Worker:
    """Performs a task; everything is inside the root now."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._next_progress = time.monotonic() + _PROGRESS_SECONDS

    def perform(self, job: Job) -> Finished:
        """Do the task."""
        match job.task:
            case UnpackLayer() as task:
                return self._unpack_layer(task)
            case CopyIn() as task:
                return self._copy_in(task, read_only=job.read_only)
            case PackLayer() as task:
                return _pack_all(LayerPacker(Sink(_DATA), task.leave_out))
            case PackTree():
                return _pack_all(TreePacker(Sink(_DATA)))
            case CopyOut() as task:
                return self._copy_out(task)
            case Stat() as task:
                path = names.in_container(task.path)
                self._send(Stated(container_path.stat_path(_open_root(), path)))
                return Finished()
            case UnpackContext() as task:
                return self._unpack_context(task)
            case AssembleContext() as task:
                return self._assemble_context(task)
            case _ as task:
                return perform_build(task, _DATA)

    def _unpack_layer(self, task: UnpackLayer) -> Finished:
        hasher = Hasher()
        unpacker = LayerUnpacker(Tree(), task.limits, self._mark_opaque)
        source = Source.of(_DATA)
        if task.coming is not None:
            source = Source(GrowingFile(_DATA, _GROWTH, task.coming).read)
        unpacker.run(self._watched(source, task.limits, hasher))
        unpacker.finish()
        return Finished(hasher.digest(), unpacker.size, unpacker.entries, hasher.length)

    def _copy_in(self, task: CopyIn, *, read_only: bool) -> Finished:
        path = names.in_container(task.path)
        container_path.check_target(_open_root(), path, read_only_root=read_only)
        source = Source.of(_DATA)
        unpacker = Unpacker(
            Tree(path),
            task.limits,
            owner=task.owner,
            no_overwrite_dir_non_dir=task.no_overwrite_dir_non_dir,
            pipe=_DATA if source.is_plain else -1,
        )
        unpacker.run(self._watched(source, task.limits, None, ahead=not source.is_plain))
        return Finished("", unpacker.size, unpacker.entries)

    def _unpack_context(self, task: UnpackContext) -> Finished:
        with open_context(task.number) as place:
            unpacker = ContextUnpacker(place, task.limits)
            unpacker.run(self._watched(Source.of(_DATA), task.limits, None))
        return Finished("", unpacker.size, unpacker.entries)

    def _assemble_context(self, task: AssembleContext) -> Finished:
        with open_context(task.number) as place:
            assembler = ContextAssembler(place, task.limits, _DATA, self._want)
            assembler.run_dialog()
        return Finished("", assembler.size, assembler.entries)

    def _want(self, numbers: list[int], *, files: bool, last: bool) -> None:
        self._send(Wanted(files, numbers, last))

    def _copy_out(self, task: CopyOut) -> Finished:
        root = _open_root()
        path = names.in_container(task.path)
        self._send(Stated(container_path.stat_path(root, path)))
        sink = Sink(_DATA)
        packer = Packer(sink)
        name = names.base(path)
        if container_path.is_directory(root, path):
            fd = container_path.open_directory(root, path)
            prefix = b"" if name == b"/" else name
            packer.add_directory(fd, prefix)
            packer.add_contents(fd, prefix + b"/")
        else:
            parent, last = container_path.open_parent(root, path)
            packer.add(parent, last, name)
        packer.finish()
        return Finished()

    def _watched(
        self, source: Source, limits: Limits, hasher: Hasher | None, *, ahead: bool = True
    ) -> Iterator[bytes]:
        read = chunks(source, limits)
        for chunk in ReadAhead(read) if ahead else read:
            if hasher is not None:
                hasher.update(chunk)
            yield chunk
            if time.monotonic() >= self._next_progress:
                self._tell_progress(source.count)
                self._next_progress = time.monotonic() + _PROGRESS_SECONDS

    def _tell_progress(self, read: int) -> None:
        # With a full queue the daemon is busy feeding us, so it knows.
        with suppress(BlockingIOError):
            self._control.send(encode(Progress(read)), socket.MSG_DONTWAIT)

    def _mark_opaque(self, directories: list[int]) -> None:
        self._send(OpaqueDirectories(), directories)

    def _send(self, message: FromWorker, descriptors: Iterable[int] = ()) -> None:
        try:
            socket.send_fds(self._control, [encode(message)], list(descriptors))
        except OSError as error:
            if error.errno in {errno.EPIPE, errno.ECONNRESET}:
                raise BrokenPipeError(error.errno, "control socket") from error
            raise


def _trace(error: Exception) -> str:
    """Where it happened; without source lines, which would be read from inside the jail."""
    frames = traceback.walk_tb(error.__traceback__)
    return "\n".join(f"{frame.f_code.co_filename}:{line}" for frame, line in frames)


def _open_root() -> int:
    return os.open("/", O_PATH_DIRECTORY)


def _pack_all(packer: Packer) -> Finished:
    packer.add_contents(os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), b"")
    packer.finish()
    return Finished()
