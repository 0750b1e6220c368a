"""Replies of `GET /containers/{id}/stats`.

Source: Engine API 1.51, ContainerStatsResponse; behaviours 196–198.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType, field

from wharfie.model.clock import rfc3339
from wharfie.model.container import NEVER
from wharfie.model.usage import (
    NO_USAGE,
    BlkioStats,
    CpuStats,
    MemoryStats,
    NetworkStats,
    PidsStats,
    Usage,
)


class StatsReply(Struct, frozen=True, kw_only=True):
    """One sample and the one before; a container that does not run has zeroes."""

    name: str
    id: str
    read: str
    preread: str
    pids_stats: PidsStats
    blkio_stats: BlkioStats
    num_procs: int = 0
    storage_stats: dict[str, int] = field(default_factory=dict)
    cpu_stats: CpuStats
    precpu_stats: CpuStats
    memory_stats: MemoryStats
    networks: dict[str, NetworkStats] | UnsetType = UNSET

    @classmethod
    def of(cls, name: str, container_id: str, usage: Usage, before: Usage = NO_USAGE) -> StatsReply:
        """Show a sample."""
        return cls(
            name=f"/{name}",
            id=container_id,
            read=rfc3339(usage.at) if usage.at else NEVER,
            preread=rfc3339(before.at) if before.at else NEVER,
            pids_stats=usage.pids,
            blkio_stats=usage.blkio,
            cpu_stats=usage.cpu,
            precpu_stats=before.cpu,
            memory_stats=usage.memory,
            networks=UNSET if usage.networks is None else usage.networks,
        )
