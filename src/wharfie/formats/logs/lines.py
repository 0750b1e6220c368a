"""Output cut into lines, as every log driver but json-file takes it.

A line of 16 KiB or more is cut into pieces, which share an ID, the time of the first, and are
counted from 1; so is a last line the process left unterminated.
Source: moby `daemon/logger/copier.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

STDOUT = 1
STDERR = 2
MAX_LINE = 16384
"""Bytes after which a line is cut."""


class Partial(NamedTuple):
    """A piece of a long line; `last` ends it."""

    id: str
    ordinal: int
    last: bool


class Record(NamedTuple):
    """One line or piece, without its newline; `time` in nanoseconds since the epoch."""

    stream: int
    time: int
    line: bytes
    partial: Partial | None = None

    @property
    def is_whole(self) -> bool:
        """Tell whether a line ends here."""
        return self.partial is None or self.partial.last


class _Unfinished:
    """What came of a line that has not ended yet."""

    __slots__ = ("data", "id", "ordinal", "time")

    def __init__(self) -> None:
        self.data = b""
        self.id = ""
        self.ordinal = 0
        self.time = 0


class Lines:
    """Cuts the output of one task; chunk boundaries do not matter.

    Args:
        make_id: makes up the ID that the pieces of one line share.
    """

    __slots__ = ("_make_id", "_unfinished")

    def __init__(self, make_id: Callable[[], str]) -> None:
        self._make_id = make_id
        self._unfinished: dict[int, _Unfinished] = {}

    def feed(self, stream: int, data: bytes, time: int) -> Iterator[Record]:
        """Yield the lines that `data` completes; to be exhausted before the next `feed`."""
        unfinished = self._unfinished.pop(stream, None)
        start = 0
        if unfinished is not None:
            data = unfinished.data + data
        while True:
            newline = data.find(b"\n", start, start + MAX_LINE)
            if newline >= 0:
                line = data[start:newline]
                start = newline + 1
                if unfinished is not None and unfinished.id:
                    yield self._piece(stream, unfinished, line, last=True)
                else:
                    yield Record(stream, time, line)
                unfinished = None
            elif len(data) - start >= MAX_LINE:
                unfinished = unfinished or _Unfinished()
                unfinished.time = unfinished.time or time
                yield self._piece(stream, unfinished, data[start : start + MAX_LINE], last=False)
                start += MAX_LINE
            else:
                break
        if start < len(data):
            unfinished = unfinished or _Unfinished()
            unfinished.time = unfinished.time or time
            unfinished.data = data[start:]
        elif unfinished is not None:
            unfinished.data = b""
        if unfinished is not None:
            self._unfinished[stream] = unfinished

    def feed_short(self, stream: int, data: bytes, time: int) -> list[bytes] | None:
        """The same at once for lines that are all short; None, and nothing done, for others."""
        unfinished = self._unfinished.get(stream)
        if unfinished is not None:
            if unfinished.id:
                return None
            data = unfinished.data + data
        lines = data.split(b"\n")
        if max(map(len, lines)) >= MAX_LINE:
            return None
        rest = lines.pop()
        if not rest:
            self._unfinished.pop(stream, None)
            return lines
        if unfinished is None or lines:
            unfinished = self._unfinished[stream] = _Unfinished()
            unfinished.time = time
        unfinished.data = rest
        return lines

    def flush(self, stream: int) -> Iterator[Record]:
        """The stream ended: yield what is left of it."""
        unfinished = self._unfinished.pop(stream, None)
        if unfinished is not None and unfinished.data:
            yield self._piece(stream, unfinished, unfinished.data, last=False)

    def pending(self, stream: int) -> bytes:
        """The unfinished line kept back."""
        unfinished = self._unfinished.get(stream)
        return unfinished.data if unfinished is not None else b""

    def _piece(self, stream: int, of: _Unfinished, line: bytes, *, last: bool) -> Record:
        of.id = of.id or self._make_id()
        of.ordinal += 1
        return Record(stream, of.time, line, Partial(of.id, of.ordinal, last))
