"""Snapshots: layers as directories, and root file systems stacked of them.

A *committed* snapshot is an unpacked layer, named by its chain ID; an *active* one is a
container's writable layer, named by the container's ID. Mounts are made detached: a descriptor
nobody else sees, gone with its last holder, so that a crash leaves no mount behind.

Source: OCI image spec "Layer ChainID"; the kernel's overlayfs documentation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from wharfie.model.ids import ChainId, Digest, SnapshotKey


class LayerRecord(Struct, frozen=True, kw_only=True):
    """An unpacked layer.

    Attributes:
        number: names its directory, `snapshots/<number>`.
        parent: chain ID below, None for the base.
        size: bytes of its files.
        length: bytes of the tar that `diff_id` names, 0 where nobody has counted them.
    """

    chain_id: ChainId
    diff_id: Digest
    parent: ChainId | None
    number: int
    size: int
    length: int = 0


class Change(Struct, frozen=True):
    """One path of a writable layer; kind 0 modified, 1 added, 2 deleted (API ContainerChange)."""

    path: str
    kind: int


class OverlayPaths(Struct, frozen=True):
    """Directories of a snapshot as inspect's GraphDriver.Data shows them; lowest layer last."""

    lower: list[str]
    upper: str
    work: str
    merged: str


class LayerWriter(Protocol):
    """A layer being unpacked, invisible until committed."""

    @property
    def directory(self) -> str:
        """Absolute path of the directory to fill."""

    async def commit(
        self,
        *,
        chain_id: ChainId,
        diff_id: Digest,
        parent: ChainId | None,
        size: int,
        length: int = 0,
    ) -> LayerRecord:
        """Publish the layer; if another writer was first, its layer is kept and ours dropped.

        The arguments are the record's.

        Raises:
            NotFound: its parent is not there.
        """

    async def replace(self, damaged: LayerRecord) -> LayerRecord:
        """Publish in place of a layer whose files are damaged; those are deleted.

        The caller knows that nothing running stands on it.

        Raises:
            NotFound: that layer is not there any more.
        """

    async def abort(self) -> None:
        """Drop it; after a commit nothing happens."""


class StepWriter(LayerWriter, Protocol):
    """A layer being made by a build step: written through a mount on top of its parents.

    `mount`, the step, `seal`, `commit`. The directory itself becomes the layer. Between `seal`
    and `commit` the layer has a provisional name, on which the next step may stand already
    while this one is being hashed. See `LayerWriter`; of two equal layers the first is kept.
    """

    async def mount(self, *, remapped: bool = False) -> int:
        """Mount it writable, detached, on top of its parents; the caller closes the descriptor.

        Args:
            remapped: for a step in the engine's user namespace.
        """

    async def seal(self) -> ChainId:
        """Nobody has it mounted any more: returns its provisional name."""


class StepSnapshotter(Protocol):
    """Layers made by build steps."""

    def layer(self, chain_id: ChainId) -> LayerRecord | None:
        """A committed layer, None when it is not there."""

    def layer_directory(self, layer: LayerRecord) -> str:
        """Absolute path of a layer's files, overlay whiteouts included."""

    async def begin_layer(self) -> LayerWriter:
        """See `Snapshotter.begin_layer`."""

    async def begin_step(self, parent: ChainId | None) -> StepWriter:
        """Begin a layer on top of another (committed, or sealed under a provisional name).

        Nothing is recorded before its commit: after a crash it is deleted.

        Raises:
            NotFound: the parent is not there.
        """

    async def view(self, chain_id: ChainId, *, remapped: bool = False) -> int:
        """See `Snapshotter.view`."""


class Snapshotter(Protocol):
    """Layers and writable snapshots on disk."""

    def layer(self, chain_id: ChainId) -> LayerRecord | None:
        """A committed layer, None when it is not there."""

    def layers(self) -> Sequence[LayerRecord]:
        """All committed layers."""

    def layer_directory(self, layer: LayerRecord) -> str:
        """Absolute path of a layer's files, overlay whiteouts included."""

    async def begin_layer(self) -> LayerWriter:
        """Begin to unpack a layer; where it stands is told at its commit."""

    async def sync(self) -> None:
        """Have the files of layers committed so far on the disk, before an image needs them.

        Until then a power cut may leave a layer without its files; no record names it then, and
        it is deleted at the next start.
        """

    async def remove_layer(self, chain_id: ChainId) -> None:
        """Delete a layer nothing refers to; idempotent."""

    async def prepare(self, key: SnapshotKey, parent: ChainId | None, *, limit: int = 0) -> None:
        """Make a writable snapshot on top of `parent` (None: on nothing). Two directories.

        Args:
            key: its name.
            parent: what it stands on.
            limit: bytes it may hold, 0 for as many as there are.

        Raises:
            InvalidArgument: this file system cannot limit.
            NotFound: the parent is not there.
            Conflict: the key is taken.
        """

    async def mount(
        self,
        key: SnapshotKey,
        *,
        read_only: bool = False,
        remapped: bool = False,
        label: str = "",
    ) -> int:
        """Mount a writable snapshot, detached; returns a descriptor the caller closes.

        Args:
            key: which.
            read_only: refuse writing.
            remapped: for a container in the engine's user namespace.
            label: SELinux label that all its files are to show.

        Raises:
            NotFound: no such snapshot.
            Internal: the kernel refused; the message says why.
        """

    async def view(self, chain_id: ChainId, *, remapped: bool = False) -> int:
        """Mount the layers of an image read-only, detached; the caller closes the descriptor."""

    def paths(self, key: SnapshotKey) -> OverlayPaths:
        """Where a snapshot's directories are."""

    async def usage(self, key: SnapshotKey) -> int:
        """Bytes used by a writable snapshot."""

    async def changes(self, key: SnapshotKey) -> Sequence[Change]:
        """What a writable snapshot changed, parents included, sorted by path."""

    async def remove(self, key: SnapshotKey) -> None:
        """Delete a writable snapshot: renamed away at once, unlinked in the background."""

    async def sweep(self, keep: Sequence[SnapshotKey]) -> None:
        """At start: delete directories no row knows and writable snapshots not in `keep`."""
