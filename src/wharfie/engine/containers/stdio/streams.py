"""Attach and logs: a container's output, live and recorded.

An attached client's socket is given to the supervisor, which frames and copies; the daemon only
replays the log first where that is asked for, while the supervisor holds newer output back.
Source: behaviours 81–94.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

from msgspec import Struct

from wharfie.engine.containers.catalogue import Catalogue
from wharfie.engine.containers.ledger import Ledger
from wharfie.engine.containers.logs.spec import log_location
from wharfie.engine.containers.rootfs.directories import ContainerDirectories
from wharfie.formats import detach_keys
from wharfie.formats.logs.runs import LogRun
from wharfie.formats.stdcopy import encode_all
from wharfie.model.container import Container, WaitCondition
from wharfie.model.errors import InvalidArgument, NotSupported
from wharfie.model.ids import ContainerId
from wharfie.model.lifecycle import Verb, check, is_running
from wharfie.model.logs import LogQuery, LogReader
from wharfie.model.task import AttachmentEnd, AttachSpec, TaskSupervisor


class AttachRequest(Struct, frozen=True, kw_only=True):
    """How to attach.

    Attributes:
        detach_keys: as typed ("ctrl-p,ctrl-q"), "" for the default.
        framed: output carries stream headers, unless it comes from a terminal.
    """

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    stream: bool = False
    logs: bool = False
    detach_keys: str = ""
    framed: bool = True


class _EndOfContainer:
    """Tells a log follower that the container ended. See `model.logs.EndOfTask`."""

    def __init__(self, catalogue: Catalogue, container_id: ContainerId) -> None:
        self._catalogue = catalogue
        self._id = container_id

    def is_ended(self) -> bool:
        """True once the container does not run."""
        handle = self._catalogue.get(self._id)
        return handle is None or not is_running(handle.record.state.status)

    async def wait(self) -> None:
        """Return once the container ended or is gone."""
        handle = self._catalogue.get(self._id)
        if handle is not None and not self.is_ended():
            await handle.waiters.add(WaitCondition.NOT_RUNNING)


class ContainerStreams:
    """Streams of containers."""

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        ledger: Ledger,
        supervisor: TaskSupervisor,
        log_reader: LogReader,
        directories: ContainerDirectories,
    ) -> None:
        self._catalogue = catalogue
        self._ledger = ledger
        self._supervisor = supervisor
        self._log_reader = log_reader
        self._directories = directories

    def check_attach(self, ref: str, request: AttachRequest) -> Container:
        """Everything that can be refused, before the connection is taken over.

        Raises:
            NoSuchContainer, Conflict (paused, restarting), InvalidArgument (detach keys).
        """
        record = self._catalogue.find(ref).record
        check(Verb.ATTACH, record)
        _keys(request.detach_keys)
        return record

    async def attach(
        self, container: Container, request: AttachRequest, connection: int, head: bytes
    ) -> None:
        """Join a taken-over connection to a container; returns when the supervisor has it.

        Args:
            container: from `check_attach`.
            request: as there.
            connection: stream socket; the caller closes its descriptor after the return.
            head: bytes the client sent behind its request.
        """
        config = container.config
        stdin = request.stdin and config.open_stdin
        spec = AttachSpec(
            stdin=stdin,
            stdout=request.stdout,
            stderr=request.stderr,
            framed=request.framed and not config.tty,
            detach_keys=_keys(request.detach_keys) if stdin and config.tty else b"",
            hold=request.logs,
            head=head if stdin else b"",
        )
        if not request.stream:
            if request.logs:
                await self._replay(container, request, connection, -1)
            return
        attachment = await self._supervisor.attach(container.id, connection, spec)
        if request.logs:
            await self._replay(container, request, connection, attachment.log_size)
            await self._supervisor.release(attachment)
        self._ledger.publish(container, "attach")

    def attachment_ended(self, end: AttachmentEnd) -> None:
        """An attached client left; publish it when it was by the detach keys."""
        handle = self._catalogue.get(ContainerId(end.task_id))
        if handle is not None and end.detached:
            self._ledger.publish(handle.record, "detach")

    def logs(self, ref: str, query: LogQuery) -> tuple[Container, AsyncIterator[list[LogRun]]]:
        """A container's log, as batches of entries; refusals are raised at the call.

        Raises:
            NoSuchContainer: nothing matches.
            NotSupported: the log driver cannot be read.
        """
        record = self._catalogue.find(ref).record
        location = log_location(record, self._directories)
        if location is None:
            raise NotSupported("configured logging driver does not support reading")
        end = _EndOfContainer(self._catalogue, record.id)
        return record, self._log_reader.read(location, query, end)

    async def _replay(
        self, container: Container, request: AttachRequest, connection: int, size: int
    ) -> None:
        """Write the log so far to the connection, in the shape live output will have."""
        location = log_location(container, self._directories)
        if location is None:
            return
        query = LogQuery(stdout=request.stdout, stderr=request.stderr, limit_size=size)
        end = _EndOfContainer(self._catalogue, container.id)
        loop = asyncio.get_running_loop()
        with socket.socket(fileno=socket.dup(connection)) as client:
            client.setblocking(False)
            async for batch in self._log_reader.read(location, query, end):
                if container.config.tty or not request.framed:
                    data = b"".join(line + run.end for run in batch for line in run.lines)
                else:
                    data = b"".join(encode_all(run.stream, run.lines, run.end) for run in batch)
                try:
                    await loop.sock_sendall(client, data)
                except (BrokenPipeError, ConnectionResetError):
                    return


def _keys(text: str) -> bytes:
    try:
        return detach_keys.parse(text)
    except ValueError as error:
        raise InvalidArgument(str(error)) from None
