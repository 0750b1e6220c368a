"""Attach and logs: a container's output, live and recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator

from msgspec import Struct

from wharfie.model.container import Container
from wharfie.model.logs import LogEntry, LogQuery


class AttachRequest(Struct, frozen=True, kw_only=True):
    """Query of an attach; `detach_keys` as typed ("ctrl-p,ctrl-q"), "" for the default."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    stream: bool = False
    logs: bool = False
    detach_keys: str = ""


class ContainerStreams:
    """Streams of containers."""

    def check_attach(self, ref: str, request: AttachRequest) -> Container:
        """Everything that can be refused, before the connection is taken over.

        Raises:
            NoSuchContainer, Conflict (paused, restarting), InvalidArgument (detach keys).
        """
        raise NotImplementedError

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
        raise NotImplementedError

    def logs(self, ref: str, query: LogQuery) -> tuple[Container, AsyncIterator[list[LogEntry]]]:
        """A container's log, as batches of entries; refusals are raised at the call.

        Raises:
            NoSuchContainer: nothing matches.
            NotSupported: the log driver cannot be read.
        """
        raise NotImplementedError
