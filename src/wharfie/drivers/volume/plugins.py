"""Volume plugins: Docker's protocol, JSON over HTTP on a unix socket the plugin listens on.

    /run/docker/plugins/<name>.sock             the socket itself
    /etc/docker/plugins/<name>.spec, .json      where it is: unix:///path
    /usr/lib/docker/plugins/…                   the same

Source: Docker documentation, "Docker Plugin API" and "Volume plugins".
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import socket
from collections.abc import Collection, Sequence

from wharfie.drivers.volume.attaching import mount_below
from wharfie.kernel import mounts
from wharfie.kernel.descriptors import unix_address
from wharfie.model.errors import Internal, NotFound, Unavailable
from wharfie.model.volume import Holder, Volume, VolumeMount

DIRECTORIES = (
    "/run/docker/plugins",
    "/run/wharfie/plugins",
    "/etc/docker/plugins",
    "/usr/lib/docker/plugins",
)
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_TYPE = "application/vnd.docker.plugins.v1.2+json"
_LARGEST = 1 << 20
_PATIENCE = 30.0
_MOUNT_PATIENCE = 120.0

Document = dict[str, object]


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("plugin", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        with unix_address(self._path) as address:
            self.sock.connect(address)


def call(path: str, method: str, body: Document, *, timeout: float = _PATIENCE) -> Document:
    """One request to a plugin; blocks.

    Raises:
        Unavailable: it does not answer, or not as a plugin does.
        Internal: what it answers in `Err`.
    """
    connection = _Connection(path, timeout)
    try:
        connection.request("POST", f"/{method}", json.dumps(body), {"Accept": _TYPE})
        response = connection.getresponse()
        data = response.read(_LARGEST)
        document = json.loads(data) if data.strip() else {}
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"plugin at {path}: {method}: {error}") from None
    finally:
        connection.close()
    if not isinstance(document, dict):
        raise Unavailable(f"plugin at {path}: {method}: not a JSON object")
    told = document.get("Err")
    if told or response.status >= 300:
        raise Internal(f"{method}: {told or response.reason}")
    return document


def find_plugin(name: str, directories: Sequence[str] = DIRECTORIES) -> str | None:
    """The socket of a plugin by name, None when there is none."""
    name = name.removesuffix(":latest")
    if _NAME.fullmatch(name) is None:
        return None
    for directory in directories:
        for path in (f"{directory}/{name}.sock", f"{directory}/{name}/{name}.sock"):
            if os.path.exists(path):
                return path
        for suffix in (".spec", ".json"):
            named = _named_in(f"{directory}/{name}{suffix}")
            if named is not None:
                return named
    return None


def _named_in(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_LARGEST).strip()
        if path.endswith(".json"):
            document = json.loads(text)
            text = str(document.get("Addr", "")) if isinstance(document, dict) else ""
    except (OSError, ValueError):
        return None
    return text.removeprefix("unix://") if text.startswith("unix://") else None


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
        if path is None:
            raise NotFound(f'plugin "{name}" not found')
        known = self._known.get(name)
        if known is None or known.path != path:
            told = await asyncio.to_thread(call, path, "Plugin.Activate", {})
            kinds = told.get("Implements")
            if not isinstance(kinds, list) or "VolumeDriver" not in kinds:
                raise NotFound(f'plugin "{name}" does not implement VolumeDriver')
            known = self._known[name] = PluginVolumes(path)
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

    async def _call(self, verb: str, body: Document, *, timeout: float = _PATIENCE) -> Document:
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
