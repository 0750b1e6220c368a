"""The catalogue: every container in memory, found by ID, prefix or name.

A handle holds what changes: the present record (itself immutable), the lock for verbs that
change it, and the waiters. The name of a container under creation is reserved first and
released when creation fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from wharfie.engine.containers.lifecycle.waiting import Waiters
from wharfie.model.container import Container
from wharfie.model.errors import (
    AmbiguousReference,
    InvalidArgument,
    NameInUse,
    NoSuchContainer,
)
from wharfie.model.ids import ContainerId, is_full_id, short
from wharfie.model.network import Connection
from wharfie.model.waits import OwnedLock, Wait


class ContainerHandle:
    """One container as it changes."""

    def __init__(self, record: Container, connection: Connection | None = None) -> None:
        self.record = record
        self.connection = connection
        self.lock = OwnedLock()
        self.waiters = Waiters()
        self.failures = 0
        """Automatic restarts in a row, for the back-off."""
        self.wake_restart = asyncio.Event()
        """Set to cancel a pending automatic restart."""
        self.keep = False
        """Set while a restart is under way: auto-removal must not strike."""
        self.is_clean = False
        """Nothing of a run is left on the host: no cgroup, no bundle, no sandbox."""
        self.last_exit = 0
        """Nanoseconds since the epoch of the exit recorded last: it may be told again."""
        self.starved_run = ""
        """Start of the run in which the kernel killed for want of memory."""
        self.gone = False

    @property
    def id(self) -> ContainerId:
        """The container's ID."""
        return self.record.id


class Catalogue:
    """All containers by ID and name."""

    def __init__(self) -> None:
        self._handles: dict[ContainerId, ContainerHandle] = {}
        self._names: dict[str, ContainerId] = {}
        self._parents: dict[ContainerId, set[ContainerId]] = {}

    def __iter__(self) -> Iterator[ContainerHandle]:
        return iter(list(self._handles.values()))

    def __len__(self) -> int:
        return len(self._handles)

    def __contains__(self, container_id: object) -> bool:
        return container_id in self._handles

    def get(self, container_id: ContainerId) -> ContainerHandle | None:
        """By exact ID, None when missing."""
        return self._handles.get(container_id)

    def find(self, ref: str) -> ContainerHandle:
        """By full ID, then exact name, then unique ID prefix. Source: behaviours 1.

        Raises:
            NoSuchContainer: nothing matches.
            AmbiguousReference: a prefix matches several.
            InvalidArgument: empty.
        """
        if not ref:
            raise InvalidArgument('invalid name or ID supplied: ""')
        exact = self._handles.get(ContainerId(ref))
        if exact is not None:
            return exact
        named = self._names.get(ref.removeprefix("/"))
        if named is not None and named in self._handles:
            return self._handles[named]
        if is_full_id(ref):
            raise NoSuchContainer(ref)
        matches = [handle for key, handle in self._handles.items() if key.startswith(ref)]
        if not matches:
            raise NoSuchContainer(ref)
        if len(matches) > 1:
            raise AmbiguousReference(ref)
        return matches[0]

    def has_name(self, name: str) -> bool:
        """Tell whether a name is taken or reserved."""
        return name in self._names

    def reserve(self, name: str, container_id: ContainerId) -> None:
        """Take a name; NameInUse when another container has it."""
        holder = self._names.setdefault(name, container_id)
        if holder != container_id:
            raise NameInUse(name, holder)

    def release(self, name: str, container_id: ContainerId) -> None:
        """Give a name back if the container holds it."""
        if self._names.get(name) == container_id:
            del self._names[name]

    def add(self, handle: ContainerHandle) -> None:
        """Show a committed container."""
        self._handles[handle.id] = handle
        self._names[handle.record.name] = handle.id
        for child in handle.record.links.values():
            self._parents.setdefault(child, set()).add(handle.id)

    def parents(self, child: ContainerId) -> list[ContainerHandle]:
        """Containers with a legacy link to this one."""
        found = (self._handles.get(key) for key in self._parents.get(child, ()))
        return [handle for handle in found if handle is not None and not handle.gone]

    def waits(self) -> Sequence[Wait]:
        """Containers whose lock is held. See `model.waits.WaitSource`."""
        return [
            Wait("lock", _describe(handle), handle.lock.since)
            for handle in list(self._handles.values())
            if handle.lock.locked()
        ]

    def drop(self, handle: ContainerHandle) -> None:
        """Forget a removed container and its name."""
        self._handles.pop(handle.id, None)
        self.release(handle.record.name, handle.id)
        for child in handle.record.links.values():
            self._parents.get(child, set()).discard(handle.id)


def _describe(handle: ContainerHandle) -> str:
    lock, record = handle.lock, handle.record
    return (
        f"container {short(handle.id)} ({record.name}, {record.state.status.value}) is held by "
        f"{lock.holder or 'nobody known'}, {lock.waiting} waiting"
    )
