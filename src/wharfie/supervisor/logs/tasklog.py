"""A task's log as the loop sees it: output is encoded here, written by a thread.

Blocks wait in a queue while an earlier write is under way; the queue is bounded by its owner,
who stops reading output while `is_congested`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from wharfie.formats.jsonlog import JsonLogEncoder, Timestamps
from wharfie.supervisor.diagnostics import Diagnostics
from wharfie.supervisor.logs.logfile import LogFile, LogSettings
from wharfie.supervisor.streams.writers import Writers

QUEUE_LIMIT = 2 << 20

_timestamps = Timestamps()


class Mark:
    """A place in the queue; told the size of the current file once all before it is written."""

    __slots__ = ("pin", "reached", "size")

    def __init__(self, reached: Callable[[int], None], *, pin: bool) -> None:
        self.reached = reached
        self.pin = pin
        self.size = 0


class TaskLog:
    """Encodes and queues the output of one task."""

    __slots__ = (
        "_busy", "_diagnostics", "_encoder", "_error", "_file", "_on_room", "_queue", "_queued",
        "_writers", "settings",
    )  # fmt: skip

    def __init__(
        self,
        settings: LogSettings,
        writers: Writers,
        diagnostics: Diagnostics,
        on_room: Callable[[], None],
    ) -> None:
        self.settings = settings
        self._writers = writers
        self._diagnostics = diagnostics
        self._on_room = on_room
        self._encoder = JsonLogEncoder(settings.attributes)
        self._file = LogFile(settings)
        self._queue: list[bytes | Mark] = []
        self._queued = 0
        self._busy = False
        self._error = ""

    @property
    def is_congested(self) -> bool:
        """True while the disk does not keep up."""
        return self._queued >= QUEUE_LIMIT

    def open(self, done: Callable[[OSError | None], None]) -> None:
        """Open the file in a thread, then call `done` on the loop."""

        def job() -> Callable[[], None]:
            try:
                self._file.open()
            except OSError as error:
                failure = error
                return lambda: done(failure)
            return lambda: done(None)

        self._writers.submit(job)

    def feed(self, stream: int, data: bytes) -> None:
        """Log output."""
        self._put(self._encoder.feed(stream, data, _timestamps.format(time.time_ns())))

    def end(self, stream: int) -> None:
        """A stream ended: log its unterminated last line."""
        self._put(self._encoder.flush(stream, _timestamps.format(time.time_ns())))

    def pending(self, stream: int) -> bytes:
        """The unfinished line, which is not in the file yet."""
        return self._encoder.pending(stream)

    def mark(self, reached: Callable[[int], None], *, pin: bool = False) -> None:
        """Call `reached` with the file's size once all that was fed is written.

        Args:
            reached: called on the loop.
            pin: keep the file from being rotated from that moment until `unpin`.
        """
        self._queue.append(Mark(reached, pin=pin))
        self._start()

    def unpin(self) -> None:
        """Allow rotation again."""
        self._file.unpinned += 1

    def close(self) -> None:
        """Close the file once all is written."""
        self.mark(lambda _size: self._file.close())

    def _put(self, block: bytes) -> None:
        if block:
            self._queue.append(block)
            self._queued += len(block)
            self._start()

    def _start(self) -> None:
        if self._busy or not self._queue:
            return
        self._busy = True
        items, self._queue = self._queue, []
        self._writers.submit(lambda: self._write(items))

    def _write(self, items: list[bytes | Mark]) -> Callable[[], None]:
        """Runs in a thread."""
        blocks: list[bytes] = []
        marks: list[Mark] = []
        size = 0
        failure = ""
        for item in [*items, None]:
            if isinstance(item, bytes):
                blocks.append(item)
                size += len(item)
                continue
            if blocks:
                try:
                    self._file.write(blocks)
                except OSError as error:
                    failure = str(error)
                blocks = []
            if item is not None:
                item.size = self._file.size
                self._file.pinned += item.pin
                marks.append(item)
        return lambda: self._on_written(size, marks, failure)

    def _on_written(self, size: int, marks: list[Mark], failure: str) -> None:
        was_congested = self.is_congested
        self._queued -= size
        self._busy = False
        if failure and failure != self._error:
            self._diagnostics.write(f"log {self.settings.path}: {failure}")
        self._error = failure
        self._start()
        for mark in marks:
            mark.reached(mark.size)
        if was_congested and not self.is_congested:
            self._on_room()
