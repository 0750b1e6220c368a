"""The durable record: one transaction at a time, one repository per noun.

`await store.write(lambda tx: tx.containers.put(c))` runs on the store's one writer thread and
returns after the commit; `durable=True` also after the disk has it (an acknowledged promise:
create, remove, pull done, exit code). Objects in memory are caches of this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from wharfie.model.build.records import CacheMount, StepRecord
from wharfie.model.container import Container
from wharfie.model.event import Event
from wharfie.model.exec import Exec
from wharfie.model.ids import ChainId, ContainerId, ExecId, ImageId, NetworkId, SnapshotKey
from wharfie.model.image import Image
from wharfie.model.network import Connection, Network
from wharfie.model.snapshot import LayerRecord
from wharfie.model.volume import Volume

T = TypeVar("T")


class ContainerRepository(Protocol):
    """Containers and what is live of their networking."""

    def put(self, container: Container) -> None:
        """Insert or replace; NameInUse when another container holds the name."""

    def delete(self, container_id: ContainerId) -> None:
        """Remove container and connection; a missing one is no error."""

    def all(self) -> Sequence[Container]:
        """Every container, oldest first."""

    def put_connection(self, container_id: ContainerId, connection: Connection | None) -> None:
        """Record, or with None forget, what is live of a container's networking."""

    def connections(self) -> dict[ContainerId, Connection]:
        """Every recorded connection."""


class ImageRepository(Protocol):
    """Images with their references; a reference names one image at most."""

    def put(self, image: Image) -> None:
        """Insert or replace an image; its `tags` and `digests` are taken from other images."""

    def delete(self, image_id: ImageId) -> None:
        """Remove an image and its references."""

    def all(self) -> Sequence[Image]:
        """Every image."""


class SnapshotRepository(Protocol):
    """Layers by chain ID, writable snapshots by key, and the numbers of their directories."""

    def next_number(self) -> int:
        """A directory number never given before."""

    def put_layer(self, layer: LayerRecord) -> None:
        """Insert a layer."""

    def delete_layer(self, chain_id: ChainId) -> None:
        """Remove a layer."""

    def layers(self) -> Sequence[LayerRecord]:
        """Every layer."""

    def put_snapshot(self, key: SnapshotKey, number: int, parent: ChainId | None) -> None:
        """Insert a writable snapshot."""

    def delete_snapshot(self, key: SnapshotKey) -> None:
        """Remove a writable snapshot."""

    def snapshots(self) -> dict[SnapshotKey, tuple[int, ChainId | None]]:
        """Every writable snapshot: number and parent."""


class NetworkRepository(Protocol):
    """Networks."""

    def put(self, network: Network) -> None:
        """Insert or replace."""

    def delete(self, network_id: NetworkId) -> None:
        """Remove."""

    def all(self) -> Sequence[Network]:
        """Every network."""


class VolumeRepository(Protocol):
    """Volumes."""

    def put(self, volume: Volume) -> None:
        """Insert or replace."""

    def delete(self, name: str) -> None:
        """Remove."""

    def all(self) -> Sequence[Volume]:
        """Every volume."""


class ExecRepository(Protocol):
    """Exec instances; a container's go with it."""

    def put(self, exec_: Exec) -> None:
        """Insert or replace."""

    def delete(self, exec_id: ExecId) -> None:
        """Remove."""

    def all(self) -> Sequence[Exec]:
        """Every instance."""


class EventRepository(Protocol):
    """The last events."""

    def append(self, events: Sequence[Event], *, keep: int) -> None:
        """Insert events behind all others, and delete all but the last `keep`."""

    def last(self, count: int) -> Sequence[Event]:
        """The last `count` events, oldest first."""


class BuildRepository(Protocol):
    """Results of build steps, and the directories of cache mounts."""

    def put_step(self, step: StepRecord) -> None:
        """Insert or replace."""

    def delete_step(self, step_id: str) -> None:
        """Remove."""

    def steps(self) -> Sequence[StepRecord]:
        """Every result."""

    def put_mount(self, mount: CacheMount) -> None:
        """Insert or replace."""

    def delete_mount(self, mount_id: str) -> None:
        """Remove."""

    def mounts(self) -> Sequence[CacheMount]:
        """Every cache mount."""


class Transaction(Protocol):
    """One transaction's repositories; valid only inside `Store.write` or `Store.read`."""

    @property
    def containers(self) -> ContainerRepository: ...
    @property
    def images(self) -> ImageRepository: ...
    @property
    def snapshots(self) -> SnapshotRepository: ...
    @property
    def networks(self) -> NetworkRepository: ...
    @property
    def volumes(self) -> VolumeRepository: ...
    @property
    def execs(self) -> ExecRepository: ...
    @property
    def events(self) -> EventRepository: ...
    @property
    def builds(self) -> BuildRepository: ...


class Store(Protocol):
    """The engine's durable state."""

    async def write(self, change: Callable[[Transaction], T], *, durable: bool = False) -> T:
        """Run `change` in one transaction; an exception rolls it back and is raised here."""

    def read(self, query: Callable[[Transaction], T]) -> T:
        """Run a read on the calling thread; for start-up, not for request handlers."""
