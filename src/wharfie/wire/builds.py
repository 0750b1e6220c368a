"""Bodies of the build cache. Source: Engine API 1.51, BuildCache, BuildPrune."""

from __future__ import annotations

from msgspec import Struct, field

from wharfie.model.build.solver import CacheRecord

_NEVER = "0001-01-01T00:00:00Z"


class BuildCache(Struct, rename="pascal", frozen=True, kw_only=True):
    """One record of the build cache."""

    id: str = field(name="ID")
    parents: list[str] | None
    type: str
    description: str
    in_use: bool
    shared: bool
    size: int
    created_at: str
    last_used_at: str | None
    usage_count: int

    @classmethod
    def of(cls, record: CacheRecord) -> BuildCache:
        """As the API shows a record."""
        return cls(
            id=record.id,
            parents=record.parents or None,
            type=record.kind,
            description=record.description,
            in_use=record.in_use,
            shared=record.shared,
            size=record.size,
            created_at=record.created or _NEVER,
            last_used_at=record.used or None,
            usage_count=record.uses,
        )


class CachePruned(Struct, rename="pascal", frozen=True):
    """What a prune deleted."""

    caches_deleted: list[str] | None
    space_reclaimed: int
