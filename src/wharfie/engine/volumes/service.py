"""Verbs on volumes. Source: behaviours 9, 34, 45, 147."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from msgspec import structs

from wharfie.engine.events import EventBus
from wharfie.engine.volumes.names import check_name
from wharfie.model import clock
from wharfie.model.errors import (
    Conflict,
    EngineError,
    InvalidArgument,
    NoSuchVolume,
    NotFound,
    NotSupported,
)
from wharfie.model.filters import PruneFilters, VolumeFilters, has_labels
from wharfie.model.ids import generate_id
from wharfie.model.store import Store, Transaction
from wharfie.model.volume import Holder, Volume, VolumeDriver, VolumeMount, VolumePlugins

_log = logging.getLogger(__name__)
ANONYMOUS_LABEL = "com.docker.volume.anonymous"
LOCAL = "local"


class Volumes:
    """Verbs on volumes; names are exact."""

    def __init__(
        self,
        store: Store,
        driver: VolumeDriver,
        events: EventBus,
        plugins: VolumePlugins | None = None,
    ) -> None:
        self._store = store
        self._driver = driver
        self._plugins = plugins
        self._events = events
        self._volumes: dict[str, Volume] = {}
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}
        self._uses: Callable[[str], Sequence[str]] = lambda _: ()
        self._pruning = False

    async def open(self, uses: Callable[[str], Sequence[str]]) -> None:
        """At start: load records; `uses` tells IDs of the containers that hold a volume."""
        self._uses = uses
        self._volumes = {
            volume.name: volume for volume in self._store.read(lambda tx: tx.volumes.all())
        }
        for volume in list(self._volumes.values()):
            if volume.moving_from:
                await self._finish_move(volume)
        await self._driver.set_aside(self._volumes)

    def get(self, name: str) -> Volume:
        """The volume; NoSuchVolume when missing."""
        try:
            return self._volumes[name]
        except KeyError:
            raise NoSuchVolume(name) from None

    def users(self, name: str) -> Sequence[str]:
        """IDs of the containers that hold a volume."""
        return self._uses(name)

    def select(self, filters: VolumeFilters) -> Sequence[Volume]:
        """Volumes by name."""
        return sorted(
            (volume for volume in self._volumes.values() if self._matches(volume, filters)),
            key=lambda volume: volume.name,
        )

    async def usage(self, name: str) -> int:
        """Bytes of a volume's data; walks all of it."""
        volume = self.get(name)
        return await (await self._driver_of(volume.driver, name)).usage(volume)

    async def create(
        self, name: str, *, driver: str, options: dict[str, str], labels: dict[str, str]
    ) -> Volume:
        """Make a volume; one that exists is returned as it is. "" makes an anonymous one.

        Raises:
            InvalidArgument: a name no volume can have.
            NotFound: no such driver.
            NotSupported: options the driver does not serve.
        """
        anonymous = not name
        if anonymous:
            name = generate_id()
            labels = {**labels, ANONYMOUS_LABEL: ""}
        try:
            check_name(name)
        except InvalidArgument as error:
            raise InvalidArgument(f"create {name}: {error}") from None
        async with self._locked(name):
            present = self._volumes.get(name)
            if present is not None:
                if driver not in ("", present.driver):
                    raise Conflict(
                        f"create {name}: found reference to volume '{name}' in driver "
                        f"'{present.driver}': volume name must be unique"
                    )
                return present
            driver = driver or LOCAL
            served_by = await self._driver_of(driver, f"create {name}")
            volume = Volume(
                name=name,
                driver=driver,
                mountpoint=served_by.mountpoint(name),
                created=clock.now(),
                labels=labels,
                options=options,
                anonymous=anonymous,
            )
            try:
                served_by.check(volume)
                await served_by.create(volume)
            except InvalidArgument as error:
                raise InvalidArgument(f"create {name}: {error}") from None
            await self._store.write(lambda tx: tx.volumes.put(volume), durable=not anonymous)
            self._volumes[name] = volume
        self._events.publish("volume", "create", name, {"driver": driver})
        return volume

    async def attach(
        self, name: str, *, user: str, subpath: str = "", holders: Sequence[Holder] = ()
    ) -> VolumeMount:
        """Make a volume ready for a container that starts; see VolumeDriver.attach."""
        volume = self.get(name)
        driver = await self._driver_of(volume.driver, name)
        return await driver.attach(volume, user=user, subpath=subpath, holders=holders)

    async def detach(self, name: str, *, user: str) -> None:
        """The container ended; idempotent, also when the volume is gone."""
        volume = self._volumes.get(name)
        if volume is None or volume.driver == LOCAL:
            return
        try:
            driver = await self._driver_of(volume.driver, name)
            await driver.detach(volume, user=user)
        except EngineError as error:
            # The container is gone whatever its plugin says, and must not stay because of it.
            _log.warning("volume %s was not given back: %s", name, error)

    async def rename(self, name: str, wanted: str) -> Volume:
        """Give a volume nobody uses another name. A crash at any point is mended at start.

        Raises:
            NoSuchVolume: nothing has this name.
            Conflict: a container holds it, or the wanted name is taken.
            NotSupported: a plugin's volume.
        """
        check_name(wanted)
        first, second = sorted((name, wanted))
        if first == second:
            raise InvalidArgument(f"rename {name}: this is its name")
        async with self._locked(first), self._locked(second):
            before = self.get(name)
            self._check_own(before, "rename")
            if users := self._uses(name):
                raise Conflict(f"rename {name}: volume is in use - [{', '.join(users)}]")
            if wanted in self._volumes:
                raise Conflict(f"rename {name}: a volume named {wanted} exists")
            after = structs.replace(
                before,
                name=wanted,
                mountpoint=self._driver.mountpoint(wanted),
                moving_from=name,
                anonymous=False,
            )

            def change(tx: Transaction) -> None:
                tx.volumes.delete(name)
                tx.volumes.put(after)

            await self._store.write(change, durable=True)
            del self._volumes[name]
            self._volumes[wanted] = after
            after = await self._finish_move(after)
        self._events.publish("volume", "rename", wanted, {"driver": LOCAL, "oldName": name})
        return after

    async def clone(self, name: str, wanted: str, *, labels: dict[str, str]) -> Volume:
        """Copy a volume that no running container writes to; blocks are shared where possible.

        Raises:
            NoSuchVolume: nothing has this name.
            Conflict: a container holds it, or the wanted name is taken.
            NotSupported: its data is elsewhere.
        """
        check_name(wanted)
        first, second = sorted((name, wanted))
        if first == second:
            raise Conflict(f"clone {name}: a volume named {wanted} exists")
        async with self._locked(first), self._locked(second):
            source = self.get(name)
            self._check_own(source, "clone")
            if users := self._uses(name):
                raise Conflict(f"clone {name}: volume is in use - [{', '.join(users)}]")
            if wanted in self._volumes:
                raise Conflict(f"clone {name}: a volume named {wanted} exists")
            volume = Volume(
                name=wanted,
                mountpoint=self._driver.mountpoint(wanted),
                created=clock.now(),
                labels={**source.labels, **labels},
                options=source.options,
            )
            await self._driver.clone(source, volume)
            await self._store.write(lambda tx: tx.volumes.put(volume), durable=True)
            self._volumes[wanted] = volume
        self._events.publish("volume", "create", wanted, {"driver": LOCAL})
        return volume

    def _check_own(self, volume: Volume, verb: str) -> None:
        if volume.driver != LOCAL:
            raise NotSupported(f"{verb} {volume.name}: a volume of the driver {volume.driver}")

    async def _finish_move(self, volume: Volume) -> Volume:
        """The second half of a renaming: the data follows the name."""
        before = structs.replace(volume, name=volume.moving_from)
        await self._driver.move(before, volume)
        settled = structs.replace(volume, moving_from="")
        await self._store.write(lambda tx: tx.volumes.put(settled), durable=True)
        self._volumes[volume.name] = settled
        return settled

    async def remove(self, name: str, *, force: bool = False) -> None:
        """Delete a volume nobody uses; `force` makes a missing one no error.

        Raises:
            NoSuchVolume: nothing has this name.
            Conflict: a container holds it.
        """
        async with self._locked(name):
            volume = self._volumes.get(name)
            if volume is None:
                if force:
                    return
                raise NoSuchVolume(name)
            if users := self._uses(name):
                raise Conflict(f"remove {name}: volume is in use - [{', '.join(users)}]")
            await self._delete(volume)

    async def prune(self, filters: PruneFilters) -> tuple[Sequence[str], int]:
        """Delete unused volumes (anonymous only unless `all`); names and bytes reclaimed.

        Raises:
            InvalidArgument: an `until` filter, which volumes do not have.
            Conflict: another prune is running.
        """
        if filters.until is not None:
            raise InvalidArgument("invalid filter 'until'")
        if self._pruning:
            raise Conflict("a prune operation is already running")
        self._pruning = True
        try:
            removed, reclaimed = await self._prune(filters)
        finally:
            self._pruning = False
        if filters.dry_run:
            return removed, reclaimed
        self._events.publish("volume", "prune", "", {"reclaimed": str(reclaimed)})
        return removed, reclaimed

    async def _prune(self, filters: PruneFilters) -> tuple[list[str], int]:
        removed: list[str] = []
        reclaimed = 0
        for name in sorted(self._volumes):
            async with self._locked(name):
                volume = self._volumes.get(name)
                if volume is None or self._uses(name) or not _is_prunable(volume, filters):
                    continue
                if volume.driver != LOCAL or volume.options:
                    continue  # what has options was made with care
                size = await self._driver.usage(volume)
                if self._uses(name):
                    continue  # a container took it while it was measured
                if not filters.dry_run:
                    await self._delete(volume)
            removed.append(name)
            reclaimed += size
        return removed, reclaimed

    async def _driver_of(self, name: str, verb: str) -> VolumeDriver:
        if name == LOCAL:
            return self._driver
        problem: EngineError | None = None
        if self._plugins is not None:
            try:
                return await self._plugins.driver(name)
            except NotFound as error:
                problem = error
        told = problem or f'plugin "{name}" not found'
        raise NotFound(f"{verb}: error looking up volume plugin {name}: {told}")

    async def _delete(self, volume: Volume) -> None:
        driver = await self._driver_of(volume.driver, f"remove {volume.name}")
        if volume.driver != LOCAL:
            # Who refuses keeps it; its record is what it can be removed by later.
            await driver.remove(volume)
        del self._volumes[volume.name]
        try:
            await self._store.write(lambda tx: tx.volumes.delete(volume.name), durable=True)
        except BaseException:
            self._volumes[volume.name] = volume
            raise
        if volume.driver == LOCAL:
            await driver.remove(volume)
        self._events.publish("volume", "destroy", volume.name, {"driver": volume.driver})

    def _matches(self, volume: Volume, filters: VolumeFilters) -> bool:
        if filters.names and not any(name in volume.name for name in filters.names):
            return False
        if filters.drivers and volume.driver not in filters.drivers:
            return False
        if filters.dangling is not None and filters.dangling == bool(self._uses(volume.name)):
            return False
        return has_labels(filters.labels, volume.labels)

    @asynccontextmanager
    async def _locked(self, name: str) -> AsyncIterator[None]:
        """Hold a name: creating and removing one volume never overlap."""
        lock, holders = self._locks.get(name, (asyncio.Lock(), 0))
        self._locks[name] = (lock, holders + 1)
        try:
            async with lock:
                yield
        finally:
            lock, holders = self._locks.pop(name)
            if holders > 1:
                self._locks[name] = (lock, holders - 1)


def _is_prunable(volume: Volume, filters: PruneFilters) -> bool:
    if not (volume.anonymous or filters.all):
        return False
    if any(has_labels([unwanted], volume.labels) for unwanted in filters.not_labels):
        return False
    return has_labels(filters.labels, volume.labels)
