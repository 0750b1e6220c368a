"""Verbs on volumes. Source: behaviours 9, 34, 45, 147."""

from __future__ import annotations

from collections.abc import Sequence

from wharfie.model.filters import PruneFilters, VolumeFilters
from wharfie.model.volume import Volume


class Volumes:
    """Verbs on volumes; names are exact."""

    def get(self, name: str) -> Volume:
        """The volume; NoSuchVolume when missing."""
        raise NotImplementedError

    def select(self, filters: VolumeFilters) -> Sequence[Volume]:
        """Volumes by name."""
        raise NotImplementedError

    async def create(
        self, name: str, *, driver: str, options: dict[str, str], labels: dict[str, str]
    ) -> Volume:
        """Make a volume; one that exists is returned as it is. "" makes an anonymous one."""
        raise NotImplementedError

    async def remove(self, name: str, *, force: bool = False) -> None:
        """Delete a volume nobody uses; `force` makes a missing one no error."""
        raise NotImplementedError

    async def prune(self, filters: PruneFilters) -> tuple[Sequence[str], int]:
        """Delete unused volumes (anonymous only unless `all`); names and bytes reclaimed."""
        raise NotImplementedError
