"""Sockets of ssh agents inside of a step: each connection is one of the caller's agent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from wharfie.model.build.session import BuildSession

_CHUNK = 1 << 16
_BACKLOG = 16


@asynccontextmanager
async def serve_agent(
    directory: int, name: str, session: BuildSession, id_: str
) -> AsyncIterator[None]:
    """Listen on a socket for the time of a block, passing everything on to an agent.

    Args:
        directory: descriptor of where the socket is made.
        name: of the socket.
        session: knows the agent.
        id_: of the agent.
    """
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"/proc/self/fd/{directory}/{name}")
    listener.listen(_BACKLOG)
    listener.setblocking(False)

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await _relay(reader, writer, session, id_)
        writer.close()

    server = await asyncio.start_unix_server(on_connection, sock=listener)
    try:
        yield
    finally:
        server.close()


async def _relay(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: BuildSession, id_: str
) -> None:
    fd = await session.ssh_agent(id_)
    if fd is None:
        return
    agent = socket.socket(fileno=fd)
    agent.setblocking(False)
    from_agent, to_agent = await asyncio.open_unix_connection(sock=agent)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass_on(reader, to_agent))
            group.create_task(_pass_on(from_agent, writer))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    finally:
        to_agent.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
