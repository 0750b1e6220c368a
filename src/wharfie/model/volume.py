"""Volumes: records and the port a volume driver implements.

Source: Engine API 1.51, definition Volume.
"""

from __future__ import annotations

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
