"""Puts the service of builds on top of the builder's parts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from msgspec import Struct

from wharfie.build.frontend import DockerfileFrontend
from wharfie.build.outputs import ResultSender
from wharfie.build.ports import BuildPorts
from wharfie.build.remotes import FetchedContexts
from wharfie.build.service import Builds
from wharfie.daemon.builds import BuildPorts as EngineParts
from wharfie.daemon.builds import open_builds
from wharfie.drivers.archive import JailArchiver, JailContexts
from wharfie.drivers.context import LocalContextStore
from wharfie.engine.events import EventBus
from wharfie.engine.images.service import host_platform
from wharfie.model.archive import Limits
from wharfie.model.snapshot import Snapshotter


class BuildGround(Struct, frozen=True, kw_only=True):
    """What builds need of the daemon."""

    data_root: str
    parts: EngineParts
    events: EventBus
    snapshotter: Snapshotter
    archiver: JailArchiver
    limits: Limits
    entitlements: Sequence[str]


async def open_build_service(stack: AsyncExitStack, ground: BuildGround) -> Builds:
    """Open the builder and the store of contexts; before images are collected at start."""
    engine = open_builds(ground.parts)
    contexts = LocalContextStore(ground.data_root, JailContexts(ground.archiver, ground.limits))
    await contexts.open()
    stack.push_async_callback(contexts.close)
    return Builds(
        BuildPorts(
            frontend=DockerfileFrontend(),
            solver=engine.solver,
            exporter=engine.exporter,
            cache=engine.records,
            contexts=contexts,
            remotes=FetchedContexts(contexts, engine.git, engine.web),
            outputs=ResultSender(ground.snapshotter, ground.archiver),
            images=ground.parts.images,
            events=ground.events,
            host=host_platform(),
            entitlements=ground.entitlements,
        )
    )
