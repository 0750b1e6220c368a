"""The solver: vertices in, layers out; and the cache it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct, field

from wharfie.formats.digest import Digest
from wharfie.model.build.graph import Vertex
from wharfie.model.build.plan import PlannedImage
from wharfie.model.build.progress import ProgressSink
from wharfie.model.build.session import BuildSession
from wharfie.model.container import HostConfig
from wharfie.model.ids import ChainId, ImageId


class SolveOptions(Struct, frozen=True, kw_only=True):
    """How steps run; no part of any cache key.

    Attributes:
        host: limits, ulimits, shm size, extra hosts, dns, cgroup parent, security options: as of
            a container.
        network: default for steps: "default", "host", "none", a network's name or
            "container:<ref>".
        entitlements: "network.host", "security.insecure", where the caller may.
        cache_from: canonical references of images whose inline cache may be used.
        epoch: file times are cut to it in the layers made, None leaves them.
    """

    host: HostConfig = field(default_factory=HostConfig)
    network: str = "default"
    entitlements: list[str] = field(default_factory=list)
    cache_from: list[str] = field(default_factory=list)
    epoch: int | None = None


class SolvedLayer(Struct, frozen=True, kw_only=True):
    """One layer of a result.

    Attributes:
        chain_id: its committed snapshot.
        diff_id: digest of its uncompressed tar.
        size: bytes of its files.
        vertex: that made it, None for layers of a base image.
    """

    chain_id: ChainId
    diff_id: Digest
    size: int
    vertex: Digest | None = None


class Solved(Struct, frozen=True, kw_only=True):
    """A vertex's root file system: committed layers, base first; empty for scratch."""

    layers: list[SolvedLayer]
    cached: bool = False


class CacheRecord(Struct, frozen=True, kw_only=True):
    """One entry of the build cache (Engine API, BuildCache).

    Attributes:
        kind: "regular", "source.local", "source.git.checkout", "exec.cachemount", "internal".
        created, used: RFC 3339.
    """

    id: str
    parents: list[str] = field(default_factory=list)
    kind: str = "regular"
    description: str = ""
    in_use: bool = False
    shared: bool = False
    size: int = 0
    created: str = ""
    used: str = ""
    uses: int = 0


class PruneRequest(Struct, frozen=True, kw_only=True):
    """Which cache records go (Engine API, POST /build/prune).

    Attributes:
        all: those an image or another record shares, too.
        reserved, maximum, minimum_free: bytes; 0 for no bound.
        filters: as in the API (id, parent, type, description, inuse, shared, private; `until`
            and `unused-for` are `before` already).
        before: only what was last used before this, in nanoseconds since the epoch; None for all.
    """

    all: bool = False
    reserved: int = 0
    maximum: int = 0
    minimum_free: int = 0
    filters: dict[str, list[str]] = field(default_factory=dict)
    before: int | None = None


class BuildCache(Protocol):
    """What builds left behind for the next."""

    def records(self) -> Sequence[CacheRecord]:
        """All entries."""

    async def prune(self, request: PruneRequest) -> tuple[Sequence[str], int]:
        """Delete, least used first; returns IDs and bytes freed."""


class BuildJob(Protocol):
    """One build at the solver; what it solved is held until it is closed."""

    async def solve(self, vertex: Vertex) -> Solved:
        """Solve a vertex and what it stands on; independent ones side by side.

        A step that another build runs just now is waited for, not run again. Cancelling ends the
        steps that nobody else waits for.

        Raises:
            StepFailed: a command ended with another code than 0; with its words and code.
            EngineError: a source is missing or refused.
        """


class Solver(Protocol):
    """Makes vertices true: from the cache, from a running equal step, or by running them."""

    def job(
        self, session: BuildSession, progress: ProgressSink, options: SolveOptions
    ) -> AbstractAsyncContextManager[BuildJob]:
        """Begin a build; leaving the context lets go of everything it holds."""


class ImageExport(Struct, frozen=True, kw_only=True):
    """An image to be recorded.

    Attributes:
        names: canonical references to tag it with.
        inline_cache: write what `cache_from` of a later build needs into its config.
        squash: one layer above the base, as the classic builder's `squash`.
    """

    planned: PlannedImage
    solved: Solved
    names: list[str] = field(default_factory=list)
    inline_cache: bool = False
    squash: bool = False


class ImageExporter(Protocol):
    """Makes an image record of a solved plan."""

    async def export(self, export: ImageExport, progress: ProgressSink) -> ImageId:
        """Write config and record, then tag; equal input gives an equal ID."""
