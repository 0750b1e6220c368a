"""Docker's plugin protocol, as volume and network drivers speak it."""

from wharfie.drivers.plugins.calling import (
    DIRECTORIES,
    PATIENCE,
    Document,
    call,
    find_plugin,
    open_plugin,
)

__all__ = ["DIRECTORIES", "PATIENCE", "Document", "call", "find_plugin", "open_plugin"]
