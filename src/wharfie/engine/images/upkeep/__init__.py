"""Upkeep of what is stored: verifying it, and making room."""

from wharfie.engine.images.upkeep.checking import Checker, CheckMessage, Finding, Summary
from wharfie.engine.images.upkeep.watermarks import Collector, Disk, FileSystem, Watermarks

__all__ = [
    "CheckMessage",
    "Checker",
    "Collector",
    "Disk",
    "FileSystem",
    "Finding",
    "Summary",
    "Watermarks",
]
