"""Cache mounts: directories that steps mount by name, kept from build to build.

    <data-root>/build/mounts/<id>/     one copy of one cache

The row comes first, then the directory; what no row knows is deleted at start. Who uses a copy:

    shared     anybody who shares, at once; a new copy where one is held exclusively
    private    nobody else: a free copy, or a new one
    locked     nobody else, and there is but one copy: wait for it

Source: Dockerfile reference, "RUN --mount=type=cache".
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from msgspec import Struct, structs

from wharfie.kernel.trees import delete_tree, measure_tree
from wharfie.model import clock
from wharfie.model.build.graph import Sharing
from wharfie.model.build.records import CacheMount
from wharfie.model.ids import generate_id
from wharfie.model.nursery import Nursery
from wharfie.model.store import Store, Transaction

_log = logging.getLogger(__name__)


class HeldMount(Struct, frozen=True):
    """A copy of a cache, held; `is_new` while nobody has filled it."""

    directory: str
    is_new: bool


class _Use:
    """Who uses a copy: many who share it, or one."""

    def __init__(self) -> None:
        self.holders = 0
        self.is_exclusive = False


class CacheMounts:
    """All cache mounts. `open` before the first use."""

    def __init__(self, store: Store, data_root: str, nursery: Nursery) -> None:
        self._store = store
        self._root = os.path.join(data_root, "build", "mounts")
        self._nursery = nursery
        self._mounts: dict[str, CacheMount] = {}
        self._uses: dict[str, _Use] = {}
        self._freed = asyncio.Condition()

    def open(self) -> None:
        """At start: read rows, delete directories that have none; blocks."""
        os.makedirs(self._root, mode=0o700, exist_ok=True)
        mounts = self._store.read(lambda tx: tx.builds.mounts())
        self._mounts = {mount.id: mount for mount in mounts}
        for name in os.listdir(self._root):
            if name not in self._mounts:
                delete_tree(os.path.join(self._root, name))

    def all(self) -> Sequence[CacheMount]:
        """Every copy of every cache."""
        return list(self._mounts.values())

    def is_used(self, mount_id: str) -> bool:
        """Tell whether a step has it mounted."""
        return mount_id in self._uses

    @asynccontextmanager
    async def hold(self, name: str, sharing: Sharing) -> AsyncIterator[HeldMount]:
        """A copy of a cache for the time of a block; see the module for whose it is."""
        mount = await self._take(name, sharing)
        directory = os.path.join(self._root, mount.id)
        try:
            is_new = await asyncio.to_thread(_make, directory)
            yield HeldMount(directory, is_new)
        finally:
            use = self._uses[mount.id]
            use.holders -= 1
            if not use.holders:
                del self._uses[mount.id]
                self._nursery.start(self._note_use(mount.id), f"measuring build cache {name}")
            async with self._freed:
                self._freed.notify_all()

    async def drop(self, mounts: Sequence[CacheMount]) -> list[CacheMount]:
        """Delete copies that nobody uses; returns those deleted."""
        gone = [self._mounts.pop(one.id) for one in mounts if not self.is_used(one.id)]

        def commit(tx: Transaction) -> None:
            for mount in gone:
                tx.builds.delete_mount(mount.id)

        await self._store.write(commit)
        for mount in gone:
            await asyncio.to_thread(_delete, os.path.join(self._root, mount.id))
        return gone

    async def _take(self, name: str, sharing: Sharing) -> CacheMount:
        while True:
            copies = sorted(
                (mount for mount in self._mounts.values() if mount.name == name),
                key=lambda mount: mount.copy,
            )
            for mount in copies:
                if self._claim(mount, sharing):
                    return mount
            if sharing is Sharing.LOCKED and copies:
                async with self._freed:
                    await self._freed.wait()
                continue
            return await self._add(name, sharing, {mount.copy for mount in copies})

    def _claim(self, mount: CacheMount, sharing: Sharing) -> bool:
        use = self._uses.get(mount.id)
        if use is not None and (use.is_exclusive or sharing is not Sharing.SHARED):
            return False
        use = self._uses.setdefault(mount.id, _Use())
        use.holders += 1
        use.is_exclusive = sharing is not Sharing.SHARED
        return True

    async def _add(self, name: str, sharing: Sharing, taken: set[int]) -> CacheMount:
        now = clock.now()
        number = next(n for n in range(len(taken) + 1) if n not in taken)
        mount = CacheMount(id=generate_id(), name=name, copy=number, created=now, used=now)
        self._mounts[mount.id] = mount
        self._claim(mount, sharing)
        try:
            await self._store.write(lambda tx: tx.builds.put_mount(mount))
        except BaseException:
            del self._mounts[mount.id], self._uses[mount.id]
            raise
        return mount

    async def _note_use(self, mount_id: str) -> None:
        size = await asyncio.to_thread(_measure, os.path.join(self._root, mount_id))
        mount = self._mounts.get(mount_id)
        if mount is not None:
            used = structs.replace(mount, size=size, used=clock.now(), uses=mount.uses + 1)
            self._mounts[mount_id] = used
            await self._store.write(lambda tx: tx.builds.put_mount(used))


def _make(directory: str) -> bool:
    try:
        os.mkdir(directory, 0o755)
    except FileExistsError:
        return False
    return True


def _measure(directory: str) -> int:
    with suppress(FileNotFoundError):
        return measure_tree(directory)
    return 0


def _delete(directory: str) -> None:
    try:
        delete_tree(directory)
    except FileNotFoundError:
        return
    except OSError as error:
        _log.warning("cannot delete %s: %s; the next start tries again", directory, error)
