"""One job: a worker, its messages, and what its failure means to the caller."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn, Self

from wharfie.drivers.archive import readiness
from wharfie.drivers.archive.zygote import Worker
from wharfie.jail import protocol
from wharfie.kernel import xattr
from wharfie.model.errors import EngineError, Forbidden, Internal, InvalidArgument, NotFound

_log = logging.getLogger(__name__)

_CLASSES: dict[protocol.Failure, type[EngineError]] = {
    protocol.Failure.INVALID_ARGUMENT: InvalidArgument,
    protocol.Failure.FORBIDDEN: Forbidden,
    protocol.Failure.NOT_FOUND: NotFound,
    protocol.Failure.INTERNAL: Internal,
}


class JobRun:
    """A running job, used as an async context; on leaving, the worker is gone.

    Attributes:
        stall: seconds the worker may be silent while it is waited for, None for ever.
        told: called with the bytes the worker has read, a few times a second.
    """

    def __init__(self, worker: Worker, *, stall: float | None) -> None:
        self._worker = worker
        self._control = worker.control
        self.stall = stall
        self.told: Callable[[int], None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._worker.end()

    async def next_message(self) -> protocol.Stated | protocol.Wanted | protocol.Finished:
        """The next message that matters; directories are marked opaque on the way.

        Raises:
            EngineError: the job failed, or its worker died or hung.
        """
        while True:
            data, descriptors = await self._receive()
            try:
                if not data:
                    await self._died()
                match message := protocol.decode_from_worker(data):
                    case protocol.Stated() | protocol.Wanted() | protocol.Finished():
                        return message
                    case protocol.Failed():
                        if message.trace:
                            _log.error("archive worker failed: %s\n%s", message, message.trace)
                        raise _CLASSES[message.failure](message.message)
                    case protocol.OpaqueDirectories():
                        _mark_opaque(descriptors)
                    case protocol.Progress():
                        if self.told is not None:
                            self.told(message.read)
            finally:
                for fd in descriptors:
                    os.close(fd)

    async def finished(self) -> protocol.Finished:
        """Wait for success."""
        while True:
            message = await self.next_message()
            if isinstance(message, protocol.Finished):
                return message

    def raise_stalled(self) -> NoReturn:
        """Say that the worker hangs; leaving the context kills it."""
        raise Internal(f"archive worker: no progress for {self.stall or 0:g} seconds, killed")

    async def _receive(self) -> tuple[bytes, list[int]]:
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(
                    self._control,
                    protocol.MAX_MESSAGE,
                    protocol.MAX_DESCRIPTORS,
                    socket.MSG_CMSG_CLOEXEC,
                )
            except BlockingIOError:
                try:
                    await readiness.readable(self._control.fileno(), self.stall)
                except readiness.Stalled:
                    self.raise_stalled()
            except ConnectionResetError:
                return b"", []
            else:
                return data, descriptors

    async def _died(self) -> NoReturn:
        """The control socket ended without a result."""
        code = await self._worker.exit_code()
        if code == -signal.SIGXCPU:
            raise InvalidArgument("archive takes more processor time than it may")
        if code < 0:
            name = signal.Signals(-code).name
            raise Internal(f"archive worker: killed by {name} before it was done")
        raise Internal(f"archive worker: exited with {code} before it was done")


def _mark_opaque(descriptors: list[int]) -> None:
    """Mark directories the worker opened; it cannot do more harm with this than in its layer."""
    for fd in descriptors:
        xattr.set_opaque(fd)
