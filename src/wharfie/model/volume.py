"""Volumes: records and the port a volume driver implements.

Source: Engine API 1.51, definition Volume.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from msgspec import Struct, field


class Volume(Struct, frozen=True, kw_only=True):
    """A named place for data that outlives containers.

    Attributes:
        mountpoint: absolute host path of its data.
        anonymous: made without a name, goes with its container on `rm -v`.
        moving_from: name under which the data still may be, when a renaming was cut short.
    """

    name: str
    driver: str = "local"
    mountpoint: str
    created: str
    labels: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    anonymous: bool = False
    moving_from: str = ""


class Holder(Struct, frozen=True):
    """A running container that has a volume mounted: its process, and where."""

    pid: int
    destination: str


class VolumeMount(Struct, frozen=True):
    """A volume ready to be bound into a container.

    Attributes:
        source: host path.
        descriptor: a detached mount to bind instead, which the receiver closes; None for none.
        read_only: whatever the container asked for, it cannot write.
    """

    source: str
    descriptor: int | None = None
    read_only: bool = False


class VolumeDriver(Protocol):
    """Makes places for data."""

    def check(self, volume: Volume) -> None:
        """Refuse options this driver does not serve.

        Raises:
            InvalidArgument: what no volume can be.
            NotSupported: what this host cannot do.
        """

    async def attach(
        self, volume: Volume, *, user: str, subpath: str, holders: Sequence[Holder]
    ) -> VolumeMount:
        """Make a volume ready for a container that starts.

        Args:
            volume: which.
            user: the container's ID.
            subpath: directory or file in it to mount instead of its root; "" for the root.
            holders: running containers that have it; what lives only as long as it is mounted is
                shared with them.

        Raises:
            Internal: it cannot be mounted.
            NotFound, Forbidden: the subpath is not there, or leads out.
        """

    async def detach(self, volume: Volume, *, user: str) -> None:
        """The container ended; idempotent."""

    async def move(self, before: Volume, after: Volume) -> None:
        """Give the data another name; one that was moved already is no error."""

    async def clone(self, source: Volume, target: Volume) -> None:
        """Copy all data into a volume that does not exist yet; sharing blocks where possible."""

    def mountpoint(self, name: str) -> str:
        """Absolute path at which the volume's data is or will be."""

    async def create(self, volume: Volume) -> None:
        """Make the place; one that exists keeps its data."""

    async def remove(self, volume: Volume) -> None:
        """Delete the data; idempotent."""

    async def usage(self, volume: Volume) -> int:
        """Bytes of the data, 0 when there is none."""

    async def set_aside(self, known: Collection[str]) -> Sequence[str]:
        """At start: put away data of volumes not in `known`, so that no new volume finds it.

        A crash between a removal's commit and its deletion leaves such data, and so does a lost
        database: it is never deleted here. Returns the names concerned.
        """


class VolumePlugins(Protocol):
    """Volume drivers outside this engine."""

    async def driver(self, name: str) -> VolumeDriver:
        """A driver by name.

        Raises:
            NotFound: none has this name.
            Unavailable: it does not answer.
        """
