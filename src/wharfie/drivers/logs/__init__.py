"""Logs read back: `JsonFileReader` reads what the supervisor's json-file writer wrote."""

from wharfie.drivers.logs.jsonfile import JsonFileReader

__all__ = ["JsonFileReader"]
