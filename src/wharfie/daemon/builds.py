"""Puts the parts of the builder together."""

from __future__ import annotations

import os

from msgspec import Struct

from wharfie.build.cache import CacheMounts, LocalBuildCache, StepCache
from wharfie.build.exporters import Squasher, StoreExporter
from wharfie.build.solver import GraphSolver, SolverPorts
from wharfie.build.sources.git import GitSource
from wharfie.build.sources.images import ImageSource
from wharfie.build.sources.store import FetchedStore
from wharfie.build.sources.web import WebSource
from wharfie.engine.images import Images
from wharfie.model.archive import Archiver
from wharfie.model.build.files import TreeWorker
from wharfie.model.build.step import StepRunner
from wharfie.model.nursery import Nursery
from wharfie.model.runtime import MountTrees
from wharfie.model.snapshot import StepSnapshotter
from wharfie.model.store import Store
from wharfie.web.client import Client


class BuildPorts(Struct, frozen=True, kw_only=True):
    """What building needs of the daemon."""

    store: Store
    images: Images
    snapshots: StepSnapshotter
    archiver: Archiver
    files: TreeWorker
    steps: StepRunner
    trees: MountTrees
    nursery: Nursery
    data_root: str
    client: Client
    file_limit: int
    """Bytes a fetched file may have."""
    limit: int = 0
    """Bytes the cache is kept below; 0 for a tenth of the file system, as Docker does."""


class BuildEngine(Struct, frozen=True, kw_only=True):
    """The assembled parts."""

    solver: GraphSolver
    exporter: StoreExporter
    cache: StepCache
    records: LocalBuildCache
    git: GitSource
    web: WebSource


def open_builds(ports: BuildPorts) -> BuildEngine:
    """Assemble, and hold what earlier builds left; before images are collected at start."""
    cache = StepCache(ports.store, ports.images.builds, ports.snapshots, ports.nursery)
    cache.open()
    mounts = CacheMounts(ports.store, ports.data_root, ports.nursery)
    mounts.open()
    fetched = FetchedStore(ports.data_root)
    fetched.open()
    git = GitSource(fetched, ports.files, data_root=ports.data_root)
    git.sweep()
    web = WebSource(ports.client, fetched, limit=ports.file_limit)
    images = ports.images.builds
    records = LocalBuildCache(
        cache, mounts, images, ports.data_root, limit=ports.limit or _tenth_of(ports.data_root)
    )
    solver = GraphSolver(
        SolverPorts(
            cache=cache,
            bound=records,
            cache_mounts=mounts,
            images=images,
            image_source=ImageSource(ports.images, ports.snapshots),
            web_source=web,
            git_source=git,
            snapshots=ports.snapshots,
            archiver=ports.archiver,
            files=ports.files,
            steps=ports.steps,
            trees=ports.trees,
            nursery=ports.nursery,
        )
    )
    squasher = Squasher(images, ports.snapshots, ports.files)
    return BuildEngine(
        solver=solver,
        exporter=StoreExporter(images, cache, squasher),
        cache=cache,
        records=records,
        git=git,
        web=web,
    )


def _tenth_of(directory: str) -> int:
    status = os.statvfs(directory)
    return status.f_blocks * status.f_frsize // 10
