"""The build cache as users see it: `df`, prune, and the bound it is kept below.

Least lately used goes first. What a build holds at the moment stays. Source: Engine API 1.51,
`BuildCache`, `BuildPrune`; BuildKit's `cache/manager.go`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from wharfie.build.cache.mounts import CacheMounts
from wharfie.build.cache.pruning import choose
from wharfie.build.cache.steps import StepCache
from wharfie.engine.images.making.building import BuildImages
from wharfie.model.build.records import CacheMount, StepRecord
from wharfie.model.build.solver import CacheRecord, PruneRequest
from wharfie.model.ids import ChainId

_MOUNT = "exec.cachemount"


class LocalBuildCache:
    """See `model.build.solver.BuildCache`.

    Args:
        steps: results.
        mounts: cache mounts.
        images: knows which layers images stand on.
        data_root: on the file system whose space counts.
        limit: bytes it is kept below, 0 for no bound.
    """

    def __init__(
        self,
        steps: StepCache,
        mounts: CacheMounts,
        images: BuildImages,
        data_root: str,
        *,
        limit: int = 0,
    ) -> None:
        self._steps = steps
        self._mounts = mounts
        self._images = images
        self._data_root = data_root
        self._limit = limit

    def records(self) -> Sequence[CacheRecord]:
        """All entries."""
        needed = self._images.needed()
        return [
            *(self._of_step(step, needed) for step in self._steps.all()),
            *map(self._of_mount, self._mounts.all()),
        ]

    async def prune(self, request: PruneRequest) -> tuple[Sequence[str], int]:
        """Delete, least used first; returns IDs and bytes freed.

        Raises:
            InvalidArgument: a filter nobody knows.
        """
        status = os.statvfs(self._data_root)
        free = status.f_bavail * status.f_frsize
        chosen = choose(self.records(), request, now=time.time(), free=free)
        wanted = {record.id for record in chosen}
        steps = [step for step in self._steps.all() if step.id in wanted]
        deleted = set(await self._steps.drop(steps))
        mounts = await self._mounts.drop([one for one in self._mounts.all() if one.id in wanted])
        size = sum(mount.size for mount in mounts)
        for chain, bytes_ in {
            one.layers[-1].chain_id: _size(one) for one in steps if one.layers
        }.items():
            size += bytes_ if chain in deleted else 0
        return [*(step.id for step in steps), *(mount.id for mount in mounts)], size

    async def keep_bound(self) -> None:
        """Delete what is above the limit."""
        size = sum(map(_size, self._steps.all())) + sum(one.size for one in self._mounts.all())
        if self._limit and size > self._limit:
            await self.prune(PruneRequest(all=True, maximum=self._limit))

    def _of_step(self, step: StepRecord, needed: set[ChainId]) -> CacheRecord:
        return CacheRecord(
            id=step.id,
            parents=step.parents,
            kind=step.kind,
            description=step.description,
            in_use=self._steps.is_held(step),
            shared=bool(step.layers) and step.layers[-1].chain_id in needed,
            size=_size(step),
            created=step.created,
            used=step.used,
            uses=step.uses,
        )

    def _of_mount(self, mount: CacheMount) -> CacheRecord:
        return CacheRecord(
            id=mount.id,
            kind=_MOUNT,
            description=f"cached mount {mount.name}",
            in_use=self._mounts.is_used(mount.id),
            size=mount.size,
            created=mount.created,
            used=mount.used,
            uses=mount.uses,
        )


def _size(step: StepRecord) -> int:
    """Bytes of the layer that is the step's own."""
    return step.layers[-1].size if step.layers else 0
