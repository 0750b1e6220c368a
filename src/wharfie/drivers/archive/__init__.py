"""The archiver of this host: every archive is read and written by a jailed worker process."""

from wharfie.drivers.archive.archiver import JailArchiver

__all__ = ["JailArchiver"]
