"""Archives and trees of strangers, read and written by jailed worker processes."""

from wharfie.drivers.archive.archiver import JailArchiver
from wharfie.drivers.archive.contexts import JailContexts
from wharfie.drivers.archive.trees import JailTrees

__all__ = ["JailArchiver", "JailContexts", "JailTrees"]
