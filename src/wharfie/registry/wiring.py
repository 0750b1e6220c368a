"""The composition root: makes a registry of its parts."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from wharfie.registry.access import OpenAccess
from wharfie.registry.config import Config
from wharfie.registry.server import Application
from wharfie.registry.server.services import Services
from wharfie.registry.storage import Content, open_content
from wharfie.registry.storage.local import open_local
from wharfie.web.listening import TcpListener
from wharfie.web.listening.addresses import spell_address
from wharfie.web.server import Limits, Server

_THREADS = 24
"""For disks: hashing, writing, syncing, sending."""


class Registry:
    """A running registry.

    Attributes:
        addresses: where it listens, "host:port".
        content: what it keeps.
    """

    def __init__(self, config: Config, server: Server, content: Content) -> None:
        self._config = config
        self.content = content
        self._server = server
        self.addresses: list[str] = []

    async def listen(self) -> None:
        """Begin to serve; ListenError when the address cannot be had."""
        host, _, port = self._config.http.addr.rpartition(":")
        listener = TcpListener(host=host.strip("[]") or "::", port=int(port))
        for one in await self._server.listen(listener):
            self.addresses.append(spell_address(one.getsockname()))

    async def close(self) -> None:
        """Let requests under way end, then stop."""
        await self._server.close(timeout=self._config.http.drain)
        await self.content.close()


async def open_registry(config: Config) -> Registry:
    """Make a registry; it listens when told."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "storage"))
    store = await asyncio.to_thread(open_local, config.storage.root)
    content = await open_content(store, config)
    services = Services(config=config, content=content, is_read_only=config.storage.read_only)
    application = Application(services, access=OpenAccess(), headers=config.http.headers)
    server = Server(application, limits=Limits(head=config.limits.head))
    return Registry(config, server, content)
