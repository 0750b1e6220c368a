"""A starting container's volumes: each made ready, and given back at the end."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from wharfie.engine.containers.catalogue import Catalogue
from wharfie.engine.events import EventBus
from wharfie.engine.volumes import Volumes
from wharfie.model.container import Container, MountPoint
from wharfie.model.lifecycle import has_process
from wharfie.model.volume import Holder, VolumeMount


class VolumeMounts:
    """Makes volumes ready for containers. The caller holds the container's lock."""

    def __init__(self, volumes: Volumes, catalogue: Catalogue, events: EventBus) -> None:
        self._volumes = volumes
        self._catalogue = catalogue
        self._events = events

    async def attach(self, record: Container) -> dict[str, VolumeMount]:
        """All volumes of a container, by destination; `close` frees their descriptors.

        Raises:
            NoSuchVolume, Internal, NotFound, Forbidden: one cannot be had; none is kept.
        """
        ready: dict[str, VolumeMount] = {}
        try:
            for point in _volume_points(record):
                name = str(point.name)
                ready[point.destination] = await self._volumes.attach(
                    name,
                    user=record.id,
                    subpath=_subpath(record, point.destination),
                    holders=self.holders(name),
                )
        except BaseException:
            close(ready)
            await self.detach(record)
            raise
        return ready

    async def detach(self, record: Container) -> None:
        """The container ended, or did not start; idempotent."""
        for point in _volume_points(record):
            await self._volumes.detach(str(point.name), user=record.id)

    def announce(self, action: str, record: Container) -> None:
        """Tell of every volume that it was mounted ("mount") or is no more ("unmount")."""
        for point in _volume_points(record):
            told = {"container": record.id, "driver": point.driver or "local"}
            if action == "mount":
                told |= {
                    "destination": point.destination,
                    "propagation": point.propagation or "",
                    "read/write": "true" if point.rw else "false",
                }
            self._events.publish("volume", action, str(point.name), told)

    def holders(self, name: str) -> list[Holder]:
        """Running containers that have a volume."""
        return [
            Holder(handle.record.state.pid, point.destination)
            for handle in self._catalogue
            if has_process(handle.record.state.status)
            for point in _volume_points(handle.record)
            if point.name == name
        ]


def close(ready: Mapping[str, VolumeMount]) -> None:
    """Free the descriptors."""
    for mount in ready.values():
        if mount.descriptor is not None:
            os.close(mount.descriptor)


def _volume_points(record: Container) -> Iterable[MountPoint]:
    return (point for point in record.mounts if point.type == "volume")


def _subpath(record: Container, destination: str) -> str:
    spec = record.mount_specs.get(destination)
    return spec.volume_options.subpath if spec and spec.volume_options else ""
