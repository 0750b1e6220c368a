"""A registry that exists to be killed: it collects garbage all the time."""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection

import uvloop

from wharfie.registry.config import Config, GcConfig, HttpConfig, StorageConfig
from wharfie.registry.wiring import open_registry


def serve(root: str, ready: Connection, grace: float = 0.0) -> None:
    """Serve until killed; the address goes into `ready`."""

    async def main() -> None:
        config = Config(
            http=HttpConfig(addr="127.0.0.1:0"),
            storage=StorageConfig(root=root, delete=True),
            gc=GcConfig(grace=grace, untagged=0.0),
        )
        registry = await open_registry(config)
        await registry.listen()
        ready.send(registry.addresses[0])
        while True:
            await registry.upkeep.collect()
            await asyncio.sleep(0.005)

    uvloop.run(main())
