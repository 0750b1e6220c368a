"""One build's side of what its caller lends. See `model.build.session.BuildSession`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping

from wharfie.build.session.connection import Channel, ChannelRefused, LentSession
from wharfie.model.build.contexts import ContextStore, HeldContext
from wharfie.model.errors import EngineError, InvalidArgument, NotFound
from wharfie.model.nursery import Nursery
from wharfie.model.registry import Credentials

_MAX_SECRET = 500 << 10
_READ = 1 << 16


class CallerSession:
    """What one build may ask of its caller.

    Args:
        store: where contexts go.
        credentials: by registry.
        lent: the caller's session connection, None without one.
    """

    def __init__(
        self,
        store: ContextStore,
        credentials: Mapping[str, Credentials],
        lent: LentSession | None = None,
    ) -> None:
        self._store = store
        self._lent = lent
        self.credentials = credentials
        self._contexts: dict[str, HeldContext] = {}
        self._receiving: dict[str, asyncio.Lock] = {}
        self._pumps = Nursery()

    def give(self, name: str, context: HeldContext) -> None:
        """Have a context that was received already; closed with the session."""
        self._contexts[name] = context

    async def context(self, name: str) -> HeldContext:
        """A context by name, received at the first asking (see the port)."""
        async with self._receiving.setdefault(name, asyncio.Lock()):
            held = self._contexts.get(name)
            if held is None:
                held = self._contexts[name] = await self._receive(name)
            return held

    async def secret(self, id_: str) -> bytes | None:
        """A secret (see the port)."""
        channel = await self._open("secret", id_)
        if channel is None:
            return None
        parts: list[bytes] = []
        size = 0
        try:
            async for piece in channel:
                parts.append(piece)
                size += len(piece)
                if size > _MAX_SECRET:
                    raise InvalidArgument(f"secret {id_} is larger than {_MAX_SECRET} bytes")
        except ChannelRefused:
            return None
        finally:
            await channel.close()
        return b"".join(parts)

    async def ssh_agent(self, id_: str) -> int | None:
        """A socket to an ssh agent (see the port)."""
        channel = await self._open("ssh", id_)
        if channel is None:
            return None
        pieces = aiter(channel)
        try:
            await anext(pieces)  # an empty greeting: the agent is there
        except (ChannelRefused, StopAsyncIteration):
            await channel.close()
            return None
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._pumps.start(_pump(channel, pieces, ours), f"ssh agent {id_} of a build")
        return theirs.detach()

    async def output(self, name: str) -> Channel:
        """A channel results are sent to.

        Raises:
            InvalidArgument: there is no session.
        """
        channel = await self._open("output", name)
        if channel is None:
            raise InvalidArgument("this output needs a client that takes it: `wharfie build`")
        return channel

    async def close(self) -> None:
        """Let go of everything."""
        await self._pumps.close(grace=0)
        for held in self._contexts.values():
            await held.close()
        self._contexts.clear()

    async def _open(self, service: str, name: str) -> Channel | None:
        return None if self._lent is None else await self._lent.open(service, name)

    async def _receive(self, name: str) -> HeldContext:
        channel = await self._open("context", name)
        if channel is None:
            raise NotFound(f"no build context named {name}")
        try:
            return await self._store.assemble(channel)
        except ChannelRefused:
            raise NotFound(f"no build context named {name}") from None
        finally:
            await channel.close()


async def _pump(channel: Channel, pieces: AsyncIterator[bytes], sock: socket.socket) -> None:
    """Move bytes between an agent's channel and the socket a step was given."""
    loop = asyncio.get_running_loop()

    async def inward() -> None:
        async for piece in pieces:
            await loop.sock_sendall(sock, piece)
        sock.shutdown(socket.SHUT_WR)

    try:
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(inward())
            while data := await loop.sock_recv(sock, _READ):
                await channel.tell(data)
            await channel.end()
            reading.cancel()
    except* (OSError, EngineError):
        pass  # either side is gone: the other one sees its end
    finally:
        sock.close()
        await channel.close()
