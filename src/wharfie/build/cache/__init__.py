"""What builds keep for later ones: results of steps, directories of cache mounts."""

from wharfie.build.cache.mounts import CacheMounts
from wharfie.build.cache.service import LocalBuildCache
from wharfie.build.cache.steps import StepCache

__all__ = ["CacheMounts", "LocalBuildCache", "StepCache"]
