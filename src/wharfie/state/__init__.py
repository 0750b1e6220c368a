"""What survives a restart: one SQLite file in WAL mode, one repository per noun."""

from wharfie.state.store import SqliteStore

__all__ = ["SqliteStore"]
