"""A volume driver in memory: sizes by name."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from wharfie.model.volume import Holder, Volume, VolumeMount


class FakeVolumeDriver:
    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}

    def mountpoint(self, name: str) -> str:
        return f"/volumes/{name}/_data"

    def check(self, volume: Volume) -> None:
        pass

    async def attach(
        self, volume: Volume, *, user: str, subpath: str, holders: Sequence[Holder]
    ) -> VolumeMount:
        return VolumeMount(volume.mountpoint)

    async def detach(self, volume: Volume, *, user: str) -> None:
        pass

    async def move(self, before: Volume, after: Volume) -> None:
        if before.name in self.sizes:
            self.sizes[after.name] = self.sizes.pop(before.name)

    async def clone(self, source: Volume, target: Volume) -> None:
        self.sizes[target.name] = self.sizes[source.name]

    async def create(self, volume: Volume) -> None:
        self.sizes.setdefault(volume.name, 0)

    async def remove(self, volume: Volume) -> None:
        self.sizes.pop(volume.name, None)

    async def usage(self, volume: Volume) -> int:
        return self.sizes.get(volume.name, 0)

    async def set_aside(self, known: Collection[str]) -> Sequence[str]:
        lost = [name for name in self.sizes if name not in known]
        for name in lost:
            del self.sizes[name]
        return lost
