"""Blobs on disk, named by digest: `LocalContentStore`."""

from wharfie.drivers.content.store import LocalContentStore

__all__ = ["LocalContentStore"]
