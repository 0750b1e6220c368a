"""What a caller lends a step: secrets and sockets of ssh agents, in memory alone.

Source: Dockerfile reference, "RUN --mount=type=secret", "RUN --mount=type=ssh".
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack

from wharfie.build.solver.agents import serve_agent
from wharfie.kernel.memory_files import make_memory_directory, write_memory_file
from wharfie.model.build.graph import StepMount
from wharfie.model.build.session import BuildSession
from wharfie.model.errors import InvalidArgument, NotFound
from wharfie.model.runtime import MountTrees

_MAX_SECRET = 500 << 10
_SPARE = 64 << 10
_SECRET_MODE = 0o400
_SOCKET_MODE = 0o600
_NAME = "0"


class Lending:
    """Makes files and sockets of what a session lends."""

    def __init__(self, session: BuildSession, trees: MountTrees) -> None:
        self._session = session
        self._trees = trees

    async def secret(self, mount: StepMount) -> bytes | None:
        """The bytes of a secret; None where it may be missing and is.

        Raises:
            NotFound: it may not.
            InvalidArgument: too large.
        """
        data = await self._session.secret(mount.id)
        if data is None and mount.required:
            raise NotFound(f"secret {mount.id}: not found")
        if data is not None and len(data) > _MAX_SECRET:
            raise InvalidArgument(f"secret {mount.id} is larger than {_MAX_SECRET >> 10} KiB")
        return data

    async def secret_file(self, mount: StepMount, data: bytes, owner: tuple[int, int]) -> int:
        """A file in memory, as a tree the caller closes."""
        memory = await asyncio.to_thread(make_memory_directory, len(data) + _SPARE)
        mode = _SECRET_MODE if mount.mode is None else mount.mode
        try:
            write_memory_file(memory, _NAME, data, mode=mode, owner=owner)
            return await self._trees.below(memory, _NAME)
        finally:
            os.close(memory)

    async def agent_socket(
        self, mount: StepMount, owner: tuple[int, int], stack: AsyncExitStack
    ) -> int | None:
        """A socket that leads to the caller's agent, as a tree the caller closes.

        Args:
            mount: which agent.
            owner: of the socket, as the host sees it.
            stack: ends what serves it.

        Raises:
            NotFound: there is no agent where there has to be one; else None.
        """
        probe = await self._session.ssh_agent(mount.id)
        if probe is None:
            if mount.required:
                raise NotFound(f'no SSH key "{mount.id}" forwarded from the client')
            return None
        os.close(probe)
        memory = await asyncio.to_thread(make_memory_directory, _SPARE)
        try:
            await stack.enter_async_context(serve_agent(memory, _NAME, self._session, mount.id))
            os.chown(_NAME, *owner, dir_fd=memory)
            os.chmod(_NAME, _SOCKET_MODE if mount.mode is None else mount.mode, dir_fd=memory)
            return await self._trees.below(memory, _NAME)
        finally:
            os.close(memory)
