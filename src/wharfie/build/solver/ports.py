"""What solving needs of the rest of the engine."""

from __future__ import annotations

from msgspec import Struct

from wharfie.build.cache.mounts import CacheMounts
from wharfie.build.cache.service import LocalBuildCache
from wharfie.build.cache.steps import StepCache
from wharfie.build.sources.git import GitSource
from wharfie.build.sources.images import ImageSource
from wharfie.build.sources.web import WebSource
from wharfie.engine.images.making.building import BuildImages
from wharfie.model.archive import Archiver
from wharfie.model.build.files import TreeWorker
from wharfie.model.build.step import StepRunner
from wharfie.model.nursery import Nursery
from wharfie.model.runtime import MountTrees
from wharfie.model.snapshot import StepSnapshotter


class SolverPorts(Struct, frozen=True, kw_only=True):
    """See the fields' Protocols."""

    cache: StepCache
    bound: LocalBuildCache
    cache_mounts: CacheMounts
    images: BuildImages
    image_source: ImageSource
    web_source: WebSource
    git_source: GitSource
    snapshots: StepSnapshotter
    archiver: Archiver
    files: TreeWorker
    steps: StepRunner
    trees: MountTrees
    nursery: Nursery
