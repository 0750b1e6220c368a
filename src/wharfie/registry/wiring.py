"""The composition root: makes a registry of its parts."""

from __future__ import annotations

import asyncio
import gc
import os
from concurrent.futures import ThreadPoolExecutor

from wharfie.model.nursery import Nursery
from wharfie.registry.config import Config, ConfigError
from wharfie.registry.control import SOCKET, Control
from wharfie.registry.ports import ByteStore
from wharfie.registry.server import Application
from wharfie.registry.server.services import Services
from wharfie.registry.storage import Content, open_content
from wharfie.registry.storage.local import open_local
from wharfie.registry.storage.s3 import open_s3
from wharfie.registry.surroundings import Surroundings, listener_of, open_surroundings
from wharfie.registry.upkeep import Upkeep
from wharfie.web.listening import UnixListener
from wharfie.web.listening.addresses import spell_address
from wharfie.web.server import Limits, Server

_THREADS = 24
"""For disks: hashing, writing, syncing, sending."""
_LONGEST_SOCKET = 107


class Registry:
    """A running registry.

    Attributes:
        addresses: where it listens, "host:port".
        content: what it keeps.
        upkeep: keeps it tidy.
    """

    def __init__(
        self,
        config: Config,
        content: Content,
        upkeep: Upkeep,
        *,
        server: Server,
        control: Server,
        surroundings: Surroundings,
    ) -> None:
        self._config = config
        self._surroundings = surroundings
        self.content = content
        self.upkeep = upkeep
        self._server = server
        self._control = control
        self._background = Nursery()
        self._folder = -1
        self.addresses: list[str] = []

    async def listen(self) -> None:
        """Begin to serve; ListenError when the address cannot be had."""
        listener = listener_of(self._config.http.addr, self._surroundings.tls)
        await self._surroundings.start()
        for one in await self._server.listen(listener):
            self.addresses.append(spell_address(one.getsockname()))
        path = f"{self._config.storage.root}/{SOCKET}"
        if len(os.fsencode(path)) > _LONGEST_SOCKET:
            folder, _, name = path.rpartition("/")
            self._folder = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            path = f"/proc/self/fd/{self._folder}/{name}"
        await self._control.listen(UnixListener(path=path, mode=0o600))
        self._background.start(self.upkeep.run(), "upkeep")

    async def reload(self) -> None:
        """Read certificates, accounts and keys again."""
        await self._surroundings.reload(self._server)

    async def close(self) -> None:
        """Let requests under way end, then stop."""
        await self._background.close(grace=0)
        await self._control.close(timeout=0.1)
        await self._server.close(timeout=self._config.http.drain)
        await self._surroundings.close()
        await self.content.close()
        if self._folder >= 0:
            os.close(self._folder)


def _open_store(config: Config) -> ByteStore:
    if config.storage.s3 is None:
        return open_local(config.storage.root)
    # The root still holds what is of this process alone.
    os.makedirs(os.path.dirname(f"{config.storage.root}/{SOCKET}"), mode=0o700, exist_ok=True)
    return open_s3(config.storage.s3)


async def open_registry(config: Config) -> Registry:
    """Make a registry; it listens when told."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "storage"))
    store = await asyncio.to_thread(_open_store, config)
    content = await open_content(store, config)
    try:
        surroundings = open_surroundings(config, content)
    except ConfigError:
        await content.close()
        raise
    services = Services(
        config=config,
        content=content,
        observers=surroundings.observers,
        upstream=surroundings.upstream,
        is_read_only=config.storage.read_only,
    )
    upkeep = Upkeep(content, config)
    application = Application(
        services,
        access=surroundings.access,
        observers=surroundings.observers,
        pages=surroundings.pages,
        headers=config.http.headers,
    )
    server = Server(application, limits=Limits(head=config.limits.head))
    control = Server(Control(services, upkeep))
    # What was made so far lives as long as the process.
    gc.collect()
    gc.freeze()
    return Registry(
        config, content, upkeep, server=server, control=control, surroundings=surroundings
    )
