"""A byte store in a local directory: temporary file, fsync, rename, fsync of the folder."""

from wharfie.registry.storage.local.store import LocalStore, RootInUse, open_local

__all__ = ["LocalStore", "RootInUse", "open_local"]
