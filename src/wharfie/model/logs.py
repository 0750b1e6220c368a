"""Container logs as read back, and the port a log reader implements.

What is read comes in runs: lines of one stream with the same time and attributes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from wharfie.formats.logs.runs import LogRun


class LogFormat(StrEnum):
    """What a log file is made of."""

    JSON = "json"
    """Lines of JSON, Docker's json-file."""
    LOCAL = "local"
    """Records between their lengths, Docker's local."""


class LogLocation(Struct, frozen=True):
    """A log that can be read back: the newest file's path, and the format of all its files."""

    path: str
    format: LogFormat


class LogQuery(Struct, frozen=True, kw_only=True):
    """Which entries are wanted.

    Attributes:
        since: nanoseconds since the epoch, 0 for all.
        until: the same, 0 for no end.
        tail: number of last lines, -1 for all.
        follow: go on until the task ends.
        limit_size: read only this many bytes of the current file (attach replay), -1 for all.
    """

    stdout: bool = True
    stderr: bool = True
    since: int = 0
    until: int = 0
    tail: int = -1
    follow: bool = False
    limit_size: int = -1


class EndOfTask(Protocol):
    """Tells whether the task that writes the log has ended."""

    def is_ended(self) -> bool:
        """True once nothing more will be written."""

    async def wait(self) -> None:
        """Return once nothing more will be written."""


class LogReader(Protocol):
    """Reads a log and its rotated files."""

    def read(
        self, location: LogLocation, query: LogQuery, end: EndOfTask
    ) -> AsyncIterator[list[LogRun]]:
        """Yield batches of runs, oldest first; ends at the end, or with the task if followed.

        A batch is never empty; a missing file is an empty log.
        """
