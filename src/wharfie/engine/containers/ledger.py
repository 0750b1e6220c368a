"""The ledger: the one place where a container's record changes.

Commit, then show, then publish: readers see a new record only once it is on disk, events only
after readers see it.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import structs

from wharfie.engine.containers.catalogue import Catalogue, ContainerHandle
from wharfie.engine.events import EventBus
from wharfie.model.container import Container, State
from wharfie.model.network import Connection
from wharfie.model.store import Store, Transaction


class Ledger:
    """Commits records of containers."""

    def __init__(self, store: Store, catalogue: Catalogue, events: EventBus) -> None:
        self._store = store
        self._catalogue = catalogue
        self._events = events
        self._observers: list[Callable[[ContainerHandle], None]] = []

    def observe(self, observer: Callable[[ContainerHandle], None]) -> None:
        """Name somebody to be called, at once, when a status or a memory limit changes."""
        self._observers.append(observer)

    async def add(self, handle: ContainerHandle) -> None:
        """Commit a new container, durably, and show it."""
        record = handle.record
        await self._store.write(lambda tx: tx.containers.put(record), durable=True)
        self._catalogue.add(handle)

    async def save(
        self, handle: ContainerHandle, record: Container, *, durable: bool = False
    ) -> None:
        """Commit a changed record; its live connection stays as it is."""
        await self._store.write(lambda tx: tx.containers.put(record), durable=durable)
        self._show(handle, record)

    async def save_state(
        self, handle: ContainerHandle, *, durable: bool = False, **changes: object
    ) -> None:
        """Commit changes of the state only."""
        state: State = structs.replace(handle.record.state, **changes)
        await self.save(handle, structs.replace(handle.record, state=state), durable=durable)

    async def save_connected(
        self,
        handle: ContainerHandle,
        record: Container,
        connection: Connection | None,
        *,
        durable: bool = False,
    ) -> None:
        """Commit a changed record together with its live connection."""

        def change(tx: Transaction) -> None:
            tx.containers.put(record)
            tx.containers.put_connection(record.id, connection)

        await self._store.write(change, durable=durable)
        self._show(handle, record)
        handle.connection = connection

    async def save_ended(self, handle: ContainerHandle, record: Container) -> None:
        """Commit, durably, that a container ended; its handle keeps the connection to be freed."""

        def change(tx: Transaction) -> None:
            tx.containers.put(record)
            tx.containers.put_connection(record.id, None)

        await self._store.write(change, durable=True)
        self._show(handle, record)

    async def remove(self, handle: ContainerHandle) -> None:
        """Commit a removal, durably, and forget the container."""
        await self._store.write(lambda tx: tx.containers.delete(handle.id), durable=True)
        handle.gone = True
        self._catalogue.drop(handle)

    def _show(self, handle: ContainerHandle, record: Container) -> None:
        before, handle.record = handle.record, record
        if (
            before.state.status is not record.state.status
            or before.host_config.memory != record.host_config.memory
        ):
            for observer in self._observers:
                observer(handle)

    def publish(self, record: Container, action: str, **facts: str) -> None:
        """Publish an event about a container: its labels, image and name, and the facts."""
        attributes = dict(record.config.labels)
        attributes["image"] = record.image_ref
        attributes["name"] = record.name
        attributes.update(facts)
        self._events.publish("container", action, record.id, attributes)

    def publish_prune(self, reclaimed: int) -> None:
        """Publish that stopped containers were removed; bytes reclaimed."""
        self._events.publish("container", "prune", "", {"reclaimed": str(reclaimed)})
