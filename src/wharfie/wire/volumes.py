"""Replies and requests about volumes. Source: Engine API 1.51, Volume, VolumeCreateOptions."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType, field

from wharfie.model.volume import Volume


class UsageData(Struct, rename="pascal", frozen=True):
    """Bytes of the data and number of containers, -1 where not computed."""

    ref_count: int
    size: int


class VolumeInspect(Struct, rename="pascal", frozen=True, kw_only=True):
    """One volume; labels and options are null when there are none."""

    created_at: str
    driver: str
    labels: dict[str, str] | None
    mountpoint: str
    name: str
    options: dict[str, str] | None
    scope: str = "local"
    usage_data: UsageData | UnsetType = UNSET

    @classmethod
    def of(cls, volume: Volume, *, usage: UsageData | UnsetType = UNSET) -> VolumeInspect:
        """Show a volume; its time has whole seconds here."""
        whole, dot, _ = volume.created.partition(".")
        return cls(
            created_at=f"{whole}Z" if dot else volume.created,
            driver=volume.driver,
            labels=volume.labels or None,
            mountpoint=volume.mountpoint,
            name=volume.name,
            options=volume.options or None,
            usage_data=usage,
        )


class VolumeList(Struct, rename="pascal", frozen=True):
    """`GET /volumes`."""

    volumes: list[VolumeInspect]
    warnings: list[str] | None = None


class VolumeCreate(Struct, rename="pascal", frozen=True, kw_only=True):
    """The body of a create; unknown cluster volumes are refused by the route."""

    name: str = ""
    driver: str = ""
    driver_opts: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    cluster_volume_spec: dict[str, object] | None = None


class VolumesPruned(Struct, rename="pascal", frozen=True):
    """`POST /volumes/prune`."""

    volumes_deleted: list[str]
    space_reclaimed: int
