"""Container logs as read back: entries, and the port a log reader implements."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from msgspec import Struct, field


class LogEntry(Struct, frozen=True):
    """One logged piece of output; `line` keeps its newline, partial lines have none.

    Attributes:
        stream: 1 standard output, 2 standard error.
        time: RFC 3339 with nine digits, UTC.
    """

    stream: int
    time: str
    line: bytes
    attributes: dict[str, str] = field(default_factory=dict)


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
    """Reads a json-file log and its rotated files."""

    def read(self, path: str, query: LogQuery, end: EndOfTask) -> AsyncIterator[list[LogEntry]]:
        """Yield entries in batches, oldest first; ends at the end, or with the task if followed.

        A batch is never empty; a missing file is an empty log.
        """

    async def remove(self, path: str) -> None:
        """Delete a log and its rotated files."""
