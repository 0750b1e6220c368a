"""An engine's container verbs on fakes, over a real store: put together as the daemon does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from support.engine_fakes import (
    FakeArchiver,
    FakeImages,
    FakeNetworks,
    FakeRuntime,
    FakeSnapshotter,
    FakeSupervisor,
    FakeTrees,
    FakeVolumes,
)
from wharfie.engine.containers.create.assembly import ContainerPorts, assemble
from wharfie.engine.containers.create.defaults import ContainerDefaults
from wharfie.engine.events import EventBus
from wharfie.model.container import Config, CreateSpec, HostConfig, State
from wharfie.model.event import Event
from wharfie.model.nursery import Nursery
from wharfie.state import SqliteStore


class Bench:
    """Everything a test of container verbs looks at."""

    def __init__(self, root: Path, *, supervisor: FakeSupervisor | None = None) -> None:
        for name in ("tmp", "containers"):
            (root / name).mkdir(exist_ok=True)
        self.supervisor = supervisor or FakeSupervisor(time.time_ns)
        self.runtime = FakeRuntime(self.supervisor)
        self.snapshotter = FakeSnapshotter()
        self.networks = FakeNetworks()
        self.images = FakeImages()
        self.volumes = FakeVolumes(str(root))
        self.events = EventBus()
        self.nursery = Nursery()
        self.store = SqliteStore(str(root / "engine.db"))
        fakes: Any = self  # the fakes are narrower than the ports they stand for
        archiver: Any = FakeArchiver()
        self.engine = assemble(
            ContainerPorts(
                store=self.store,
                events=self.events,
                images=fakes.images,
                networks=fakes.networks,
                volumes=fakes.volumes,
                snapshotter=fakes.snapshotter,
                archiver=archiver,
                runtime=self.runtime,
                trees=FakeTrees(),
                supervisor=self.supervisor,
                nursery=self.nursery,
                defaults=ContainerDefaults(cpus=4),
                data_root=str(root),
            )
        )
        self.strangers = 0
        self.seen_at_listening: list[State] = []
        self.verbs = self.engine.containers
        self.catalogue = self.engine.catalogue
        if supervisor is None:
            self.listen()

    def listen(self) -> None:
        """Take up exits; over a surviving supervisor not before recovery says so."""
        self.supervisor.subscribe(
            on_exit=lambda exit_: self._seen(self.engine.endings.on_exit(exit_)),
            on_attachment_end=lambda end: None,
        )

    def _seen(self, taken: bool) -> None:
        self.strangers += not taken

    def actions(self) -> list[str]:
        """Actions of all events so far."""
        ring: list[Event] = list(self.events._ring)
        return [event.action for event in ring]

    async def create(self, name: str = "web", **host: object) -> str:
        """Make a container of busybox; returns its ID."""
        spec = CreateSpec(
            name=name,
            config=Config(image="busybox", cmd=["sleep", "9"]),
            host_config=HostConfig(**host),  # type: ignore[arg-type]
        )
        return (await self.verbs.create(spec)).id

    async def close(self) -> None:
        """Let background work end and close the store."""
        await self.nursery.close(grace=5.0)
        self.store.close()
