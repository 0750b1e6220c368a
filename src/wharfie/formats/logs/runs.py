"""Runs of log lines, as logs are read back."""

from __future__ import annotations

from typing import NamedTuple


class LogRun(NamedTuple):
    """Lines of one stream with the same time and attributes, in order.

    Attributes:
        stream: 1 standard output, 2 standard error.
        time: RFC 3339 with nine digits, UTC.
        lines: without their newlines.
        attributes: labels, variables and tag that the log keeps with each line.
        end: what follows each line: a newline, or nothing after a piece of a longer one.
    """

    stream: int
    time: str
    lines: list[bytes]
    attributes: dict[str, str]
    end: bytes = b"\n"
