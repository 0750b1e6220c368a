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
    """

    name: str
    driver: str = "local"
    mountpoint: str
    created: str
    labels: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    anonymous: bool = False


class VolumeDriver(Protocol):
    """Makes places for data."""

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
