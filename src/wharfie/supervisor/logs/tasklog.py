"""A task's log as the loop sees it: a file, a target that output is sent to, or both.

Output for the file is encoded here and written by a thread; blocks wait in a queue while an
earlier write is under way. The owner stops reading output while the log `is_congested`. In
non-blocking mode it never is: what finds the queue full is dropped, a block at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from wharfie.supervisor.diagnostics import Diagnostics
from wharfie.supervisor.logs.encoding import file_encoder
from wharfie.supervisor.logs.logfile import LogFile
from wharfie.supervisor.logs.settings import LogSettings
from wharfie.supervisor.streams.writers import Writers

QUEUE_LIMIT = 2 << 20


class Target(Protocol):
    """Where output is sent; see `logs.sending.target`, which is loaded only when needed."""

    @property
    def is_congested(self) -> bool:
        """True while no more output should be read."""

    @property
    def is_stuck(self) -> bool:
        """True while nothing has gone for some time though something waits."""

    def open(self, done: Callable[[OSError | None], None]) -> None:
        """Connect, then call `done`; at once when the start is not to wait for that."""

    def feed(self, stream: int, data: bytes) -> None:
        """Send output."""

    def end(self, stream: int) -> None:
        """A stream ended."""

    def pending(self, stream: int) -> bytes:
        """The unfinished line kept back."""

    def unsent(self) -> list[tuple[int, int, bytes]]:
        """What waits: stream, time, bytes."""

    def restore(self, unsent: list[tuple[int, int, bytes]]) -> None:
        """Take over what another had not sent, and connect."""

    def drain(self, done: Callable[[], None]) -> None:
        """Call `done` once nothing waits, or after a short while."""

    def finish(self) -> None:
        """Close once nothing waits, or after a while."""


class Mark:
    """A place in the queue; told the size of the current file once all before it is written."""

    __slots__ = ("pin", "reached", "size")

    def __init__(self, reached: Callable[[int], None], *, pin: bool) -> None:
        self.reached = reached
        self.pin = pin
        self.size = 0


class FileLog:
    """The file of a log: encodes, queues, has threads write."""

    __slots__ = (
        "_busy", "_diagnostics", "_dropped", "_encoder", "_error", "_file", "_on_room", "_queue",
        "_queued", "_settings", "_writers",
    )  # fmt: skip

    def __init__(
        self,
        settings: LogSettings,
        writers: Writers,
        diagnostics: Diagnostics,
        on_room: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._writers = writers
        self._diagnostics = diagnostics
        self._on_room = on_room
        self._encoder = file_encoder(settings)
        self._file = LogFile(settings)
        self._queue: list[bytes | Mark] = []
        self._queued = 0
        self._dropped = 0
        self._busy = False
        self._error = ""

    @property
    def is_congested(self) -> bool:
        """True while the disk does not keep up."""
        return self._queued >= QUEUE_LIMIT and not self._settings.buffer

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
        self._put(self._encoder.feed(stream, data))

    def end(self, stream: int) -> None:
        """A stream ended: log its unterminated last line."""
        self._put(self._encoder.flush(stream))

    def pending(self, stream: int) -> bytes:
        """The unfinished line, which is not in the file yet."""
        return self._encoder.pending(stream)

    def mark(self, reached: Callable[[int], None], *, pin: bool = False) -> None:
        """Call `reached` with the file's size once all that was fed is written."""
        self._queue.append(Mark(reached, pin=pin))
        self._start()

    def unpin(self) -> None:
        """Allow rotation again."""
        self._file.unpinned += 1

    def close(self) -> None:
        """Close the file once all is written."""
        self.mark(lambda _size: self._file.close())

    def _put(self, block: bytes) -> None:
        if not block:
            return
        limit = self._settings.buffer
        if limit and self._queued and self._queued + len(block) > limit:
            if not self._dropped:
                self._diagnostics.write(f"log {self._settings.path}: full, output is dropped")
            self._dropped += len(block)
            return
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
            self._diagnostics.write(f"log {self._settings.path}: {failure}")
        self._error = failure
        self._start()
        for mark in marks:
            mark.reached(mark.size)
        if was_congested and not self.is_congested:
            self._on_room()


class TaskLog:
    """The log of one task."""

    __slots__ = ("_diagnostics", "_file", "_target", "settings")

    def __init__(
        self,
        settings: LogSettings,
        file: FileLog | None,
        target: Target | None,
        diagnostics: Diagnostics,
    ) -> None:
        self.settings = settings
        self._file = file
        self._target = target
        self._diagnostics = diagnostics

    @property
    def is_congested(self) -> bool:
        """True while no more output should be read."""
        return (self._file is not None and self._file.is_congested) or (
            self._target is not None and self._target.is_congested
        )

    @property
    def is_hopeless(self) -> bool:
        """What is sent goes nowhere: an ended task need not wait for it."""
        return self._target is not None and self._target.is_stuck

    def open(self, done: Callable[[OSError | None], None]) -> None:
        """Open file and target, then call `done` on the loop, with the first failure."""
        target = self._target

        def on_file(error: OSError | None) -> None:
            if error is None and target is not None:
                target.open(done)
            else:
                done(error)

        if self._file is not None:
            self._file.open(on_file)
        else:
            on_file(None)

    def feed(self, stream: int, data: bytes) -> None:
        """Log output."""
        if self._file is not None:
            self._file.feed(stream, data)
        if self._target is not None:
            self._target.feed(stream, data)

    def end(self, stream: int) -> None:
        """A stream ended: log its unterminated last line."""
        if self._file is not None:
            self._file.end(stream)
        if self._target is not None:
            self._target.end(stream)

    def pending(self, stream: int) -> bytes:
        """The unfinished line, which is not in the file yet."""
        if self._file is not None:
            return self._file.pending(stream)
        return self._target.pending(stream) if self._target is not None else b""

    def unsent(self) -> list[tuple[int, int, bytes]]:
        """Output that waits for the target: stream, time, bytes."""
        return self._target.unsent() if self._target is not None else []

    def restore(self, unsent: list[tuple[int, int, bytes]], partial: dict[int, bytes]) -> None:
        """Go on where another supervisor stopped; connect without a hurry.

        Args:
            unsent: output that waits for the target, unfinished lines included.
            partial: unfinished lines by stream, which are not in the file yet.
        """
        if self._target is not None:
            self._target.restore(unsent)
        if self._file is not None:
            for stream, data in partial.items():
                self._file.feed(stream, data)

    def mark(self, reached: Callable[[int], None], *, pin: bool = False) -> None:
        """Call `reached` with the file's size once all that was fed is written.

        Args:
            reached: called on the loop.
            pin: keep the file from being rotated from that moment until `unpin`.
        """
        if self._file is not None:
            self._file.mark(reached, pin=pin)
        else:
            reached(0)

    def unpin(self) -> None:
        """Allow rotation again."""
        if self._file is not None:
            self._file.unpin()

    def drain(self, done: Callable[[], None]) -> None:
        """Call `done` once all is written, and sent or given up."""
        if self._target is None:
            self.mark(lambda _size: done())
            return
        target = self._target
        self.mark(lambda _size: target.drain(done))

    def close(self) -> None:
        """Close the file once all is written, the target once all is sent, within a bound."""
        if self._file is not None:
            self._file.close()
        if self._target is not None:
            self._target.finish()
