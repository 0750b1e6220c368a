"""Replies about images: list items, inspect, history, prune.

Source: Engine API 1.51, ImageSummary, ImageInspect, HistoryResponseItem.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from wharfie.formats.reference import familiar
from wharfie.model.content import Descriptor, Platform
from wharfie.model.image import Image, ImageConfig
from wharfie.wire.containers import GraphDriver
from wharfie.wire.times import seconds_of

MISSING = "<missing>"
ALWAYS_PRESENT: dict[str, object] = {
    "Cmd": None,
    "Entrypoint": None,
    "Env": None,
    "Labels": None,
    "OnBuild": None,
    "User": "",
    "Volumes": None,
    "WorkingDir": "",
}
"""Fields of an image's Config that versions up to 1.51 show even when they are not set."""


class ManifestSizes(Struct, rename="pascal", frozen=True):
    """Bytes of what a manifest names: as it came, and with what was unpacked of it."""

    content: int
    total: int


class UnpackedSize(Struct, rename="pascal", frozen=True):
    """Bytes of the unpacked layers."""

    unpacked: int


class ImageData(Struct, rename="pascal", frozen=True, kw_only=True):
    """What a manifest that is an image tells."""

    platform: Platform
    containers: list[str]
    size: UnpackedSize


class ManifestSummary(Struct, rename="pascal", frozen=True, kw_only=True):
    """One manifest of an image, as `images --tree` shows it. Source: Engine API 1.48."""

    id: str = field(name="ID")
    descriptor: Descriptor
    available: bool
    size: ManifestSizes
    kind: str
    image_data: ImageData

    @classmethod
    def all_of(cls, image: Image, *, containers: Sequence[str]) -> list[ManifestSummary]:
        """The manifest of an image; none for one that was never at a registry."""
        manifest = image.manifest
        if manifest is None:
            return []
        content = manifest.size + sum(layer.size for layer in image.layers)
        document = image.document
        platform = Platform(
            architecture=document.architecture, os=document.os or "linux", variant=document.variant
        )
        return [
            cls(
                id=manifest.digest,
                descriptor=Descriptor(
                    media_type=manifest.media_type, digest=manifest.digest, size=manifest.size
                ),
                available=True,
                size=ManifestSizes(content, content + image.size),
                kind="image",
                image_data=ImageData(
                    platform=platform, containers=list(containers), size=UnpackedSize(image.size)
                ),
            )
        ]


class ImageSummary(Struct, rename="pascal", frozen=True, kw_only=True):
    """One item of `GET /images/json`; -1 means "not computed"."""

    containers: int
    created: int
    id: str
    labels: dict[str, str] | None
    parent_id: str
    repo_digests: list[str]
    repo_tags: list[str]
    shared_size: int
    size: int
    manifests: list[ManifestSummary] | UnsetType = UNSET

    @classmethod
    def of(
        cls,
        image: Image,
        *,
        containers: int = -1,
        shared_size: int = -1,
        manifests: list[ManifestSummary] | UnsetType = UNSET,
    ) -> ImageSummary:
        """Summarise an image.

        Args:
            image: its record.
            containers: number of containers that use it.
            shared_size: bytes of layers other images have too.
            manifests: what it is stored as, where that was asked for.
        """
        config = image.document.config
        return cls(
            containers=containers,
            created=int(seconds_of(image.document.created)),
            id=image.id,
            labels=config.labels if config is not None else None,
            parent_id=image.document.parent,
            repo_digests=_familiar(image.digests),
            repo_tags=_familiar(image.tags),
            shared_size=shared_size,
            size=image.size,
            manifests=manifests,
        )


class RootFS(Struct, rename="pascal", frozen=True):
    """The layers of an image, base first; left out when there are none."""

    type: str
    layers: list[str] | UnsetType = UNSET


class Metadata(Struct, rename="pascal", frozen=True):
    """What belongs to this store rather than to the image."""

    last_tag_time: str


class ImageInspect(Struct, rename="pascal", frozen=True, kw_only=True):
    """`GET /images/{name}/json`."""

    id: str
    repo_tags: list[str]
    repo_digests: list[str]
    parent: str
    comment: str
    created: str | UnsetType = UNSET
    docker_version: str
    author: str
    config: dict[str, object] | None
    architecture: str
    variant: str | UnsetType = UNSET
    os: str
    os_version: str | UnsetType = UNSET
    size: int
    graph_driver: GraphDriver
    root_fs: RootFS = field(name="RootFS")
    metadata: Metadata
    manifests: list[ManifestSummary] | UnsetType = UNSET

    @classmethod
    def of(
        cls,
        image: Image,
        *,
        driver: str = "overlay2",
        graph: Mapping[str, str] | None = None,
        manifests: list[ManifestSummary] | UnsetType = UNSET,
    ) -> ImageInspect:
        """Show everything about an image.

        Args:
            image: its record.
            driver: name of the storage driver.
            graph: directories of its layers.
            manifests: what it is stored as, where that was asked for.
        """
        document = image.document
        layers: list[str] = list(document.rootfs.diff_ids)
        return cls(
            id=image.id,
            repo_tags=_familiar(image.tags),
            repo_digests=_familiar(image.digests),
            parent=document.parent,
            comment=document.comment,
            created=document.created or UNSET,
            docker_version=document.docker_version,
            author=document.author,
            config=_config(document.config),
            architecture=document.architecture,
            variant=document.variant or UNSET,
            os=document.os,
            os_version=document.os_version or UNSET,
            size=image.size,
            graph_driver=GraphDriver(graph, driver),
            root_fs=RootFS(document.rootfs.type, layers or UNSET),
            metadata=Metadata(image.tagged_at),
            manifests=manifests,
        )


class HistoryItem(Struct, rename="pascal", frozen=True, kw_only=True):
    """One step of `GET /images/{name}/history`."""

    comment: str
    created: int
    created_by: str
    id: str
    size: int
    tags: list[str] | None


def history_of(
    image: Image, layer_sizes: Sequence[int], ancestors: Sequence[Image] = ()
) -> list[HistoryItem]:
    """The steps of an image, newest first, with the IDs and tags of the images they ended in.

    Args:
        image: its record.
        ancestors: the images it was made from, nearest first; each is taken for one step.
        layer_sizes: bytes of each layer, base first; missing ones count as 0.
    """
    sizes = iter(layer_sizes)
    items = [
        HistoryItem(
            comment=step.comment,
            created=int(seconds_of(step.created)),
            created_by=step.created_by,
            id=MISSING,
            size=0 if step.empty_layer else next(sizes, 0),
            tags=None,
        )
        for step in image.document.history
    ]
    items.reverse()
    for at, one in enumerate([image, *ancestors][: len(items)]):
        items[at] = msgspec.structs.replace(items[at], id=one.id, tags=_familiar(one.tags) or None)
    return items


class DeletedImage(Struct, rename="pascal", frozen=True):
    """One effect of a removal; exactly one field is there."""

    untagged: str | UnsetType = UNSET
    deleted: str | UnsetType = UNSET


class ImagesPruned(Struct, rename="pascal", frozen=True):
    """`POST /images/prune`; null when nothing was removed."""

    images_deleted: list[DeletedImage] | None
    space_reclaimed: int


def _familiar(references: Iterable[str]) -> list[str]:
    return [familiar(reference) for reference in references]


def _config(config: ImageConfig | None) -> dict[str, object] | None:
    if config is None:
        return None
    shown: dict[str, object] = msgspec.to_builtins(config)
    return {**ALWAYS_PRESENT, **shown}
