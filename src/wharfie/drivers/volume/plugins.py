"""Volume plugins: the part of Docker's plugin protocol that is about volumes.

Source: Docker documentation, "Volume plugins".
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence

from wharfie.drivers.plugins import DIRECTORIES, PATIENCE, Document, call, find_plugin, open_plugin
from wharfie.drivers.volume.attaching import mount_below
from wharfie.kernel import mounts
from wharfie.model.errors import Internal
from wharfie.model.volume import Holder, Volume, VolumeMount

_MOUNT_PATIENCE = 120.0


class VolumePlugins:
    """Finds volume plugins by name; see `model.volume.VolumePlugins`."""

    def __init__(self, directories: Sequence[str] = DIRECTORIES) -> None:
        self._directories = directories
        self._known: dict[str, PluginVolumes] = {}

    async def driver(self, name: str) -> PluginVolumes:
        """The driver of a plugin, which is asked what it is the first time.

        Raises:
            NotFound: no plugin has this name, or it is not for volumes.
            Unavailable: it does not answer.
        """
        path = await asyncio.to_thread(find_plugin, name, self._directories)
        known = self._known.get(name)
        if known is None or known.path != path:
            opened = await asyncio.to_thread(open_plugin, name, "VolumeDriver", self._directories)
            known = self._known[name] = PluginVolumes(opened)
        return known


class PluginVolumes:
    """One plugin as a volume driver; see `model.volume.VolumeDriver`."""

    def __init__(self, path: str) -> None:
        self.path = path

    def mountpoint(self, name: str) -> str:
        """Unknown until it is mounted."""
        del name
        return ""

    def check(self, volume: Volume) -> None:
        """Options are the plugin's own affair."""

    async def create(self, volume: Volume) -> None:
        """See VolumeDriver."""
        await self._call("Create", {"Name": volume.name, "Opts": volume.options or None})

    async def remove(self, volume: Volume) -> None:
        """See VolumeDriver."""
        await self._call("Remove", {"Name": volume.name})

    async def usage(self, volume: Volume) -> int:
        """Nobody knows."""
        del volume
        return 0

    async def set_aside(self, known: Collection[str]) -> Sequence[str]:
        """A plugin's data is its own."""
        del known
        return ()

    async def attach(
        self, volume: Volume, *, user: str, subpath: str, holders: Sequence[Holder]
    ) -> VolumeMount:
        """See VolumeDriver."""
        del holders
        told = await self._call("Mount", {"Name": volume.name, "ID": user}, timeout=_MOUNT_PATIENCE)
        place = told.get("Mountpoint")
        if not isinstance(place, str) or not place.startswith("/"):
            raise Internal(f"volume plugin {volume.driver}: no mount point for {volume.name}")
        try:
            return VolumeMount(place, await asyncio.to_thread(_open, place, subpath))
        except OSError as error:
            raise Internal(f"volume plugin {volume.driver}: {place}: {error.strerror}") from error

    async def detach(self, volume: Volume, *, user: str) -> None:
        """See VolumeDriver."""
        await self._call("Unmount", {"Name": volume.name, "ID": user})

    async def move(self, before: Volume, after: Volume) -> None:
        """Not in the protocol; the engine does not ask."""
        raise Internal(f"{before.name} cannot be renamed to {after.name}")

    async def clone(self, source: Volume, target: Volume) -> None:
        """Not in the protocol; the engine does not ask."""
        raise Internal(f"{source.name} cannot be copied to {target.name}")

    async def _call(self, verb: str, body: Document, *, timeout: float = PATIENCE) -> Document:
        return await asyncio.to_thread(
            call, self.path, f"VolumeDriver.{verb}", body, timeout=timeout
        )


def _open(place: str, subpath: str) -> int:
    """The plugin's mount by descriptor: not everybody sees the host's mounts."""
    tree = mounts.clone_tree(place, recursive=True)
    if not subpath:
        return tree
    try:
        return mount_below(tree, subpath)
    finally:
        os.close(tree)
