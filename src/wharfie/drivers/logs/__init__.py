"""Logs read back: `FileLogReader` reads the files that the supervisor writes."""

from wharfie.drivers.logs.reader import FileLogReader

__all__ = ["FileLogReader"]
