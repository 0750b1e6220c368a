"""Build contexts on this host: trees of hard links to contents that are stored once."""

from wharfie.drivers.context.store import LocalContextStore

__all__ = ["LocalContextStore"]
