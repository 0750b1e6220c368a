"""The archiver of this host: every archive is read and written by a jailed worker process."""

from wharfie.drivers.archive.archiver import JailArchiver
from wharfie.drivers.archive.contexts import JailContexts

__all__ = ["JailArchiver", "JailContexts"]
