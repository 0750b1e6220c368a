"""The supervisor's ends of a task's pipes or terminal."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from wharfie.kernel.descriptors import pipe_size, resize_pipe
from wharfie.supervisor.loop import READ, WRITE, Loop
from wharfie.supervisor.streams.attach import HEADER_SIZE

READ_SIZE = 1 << 16
SHARED_SIZE = 1 << 13
"""Read of a flood at once while others wait for their turn: a quarter of a millisecond less."""
BIG_PIPE = 1 << 20

_buffer = bytearray(HEADER_SIZE + READ_SIZE)
_view = memoryview(_buffer)
_payload = _view[HEADER_SIZE:]
_little = _payload[:SHARED_SIZE]
"""One buffer for all: what is read is given away before the next read. The gap before the
payload is where a frame's header goes, so that header and payload are sent without copying."""


class Output:
    """A readable end: standard output, standard error or a terminal.

    A pipe found full twice is made bigger: idle tasks do not pay for it.
    """

    __slots__ = ("_fullness", "_loop", "_on_data", "_on_end", "_watched", "fd", "stream")

    def __init__(
        self,
        loop: Loop,
        fd: int,
        stream: int,
        on_data: Callable[[Output, memoryview, int], None],
        on_end: Callable[[Output], None],
    ) -> None:
        self._loop = loop
        self._on_data = on_data
        self._on_end = on_end
        self._fullness = 0
        self._watched = False
        self.fd = fd
        self.stream = stream
        os.set_blocking(fd, False)

    def resume(self) -> None:
        """Read when there is something."""
        if not self._watched and self.fd >= 0:
            self._watched = True
            self._loop.watch(self.fd, READ, self._on_readable)
            if self._fullness >= 2:
                self._loop.mark_bulk(self.fd)

    def pause(self) -> None:
        """Let output wait in the pipe; unwatched, as a hang-up cannot be masked."""
        if self._watched:
            self._watched = False
            self._loop.forget(self.fd)

    def close(self) -> None:
        """Stop reading for good; who writes on gets EPIPE."""
        if self.fd >= 0:
            self.pause()
            os.close(self.fd)
            self.fd = -1

    def read_rest(self, limit: int) -> None:
        """Read what is there now, at most about `limit` bytes."""
        while self.fd >= 0 and limit > 0 and (count := self._read()):
            limit -= count

    def _on_readable(self, _events: int) -> None:
        self._read()

    def _read(self) -> int:
        is_little = self._fullness >= 2 and self._loop.is_shared
        try:
            count = os.readv(self.fd, [_little if is_little else _payload])
        except BlockingIOError:
            return 0
        except OSError:  # EIO: the terminal's other side is closed
            count = 0
        if not count:
            self.close()
            self._on_end(self)
            return 0
        if count >= READ_SIZE and self._fullness < 2:
            self._grow()
        self._on_data(self, _view, count)
        return count

    def _grow(self) -> None:
        self._fullness += 1
        if self._fullness == 2:
            self._loop.mark_bulk(self.fd)
            with contextlib.suppress(OSError):  # a terminal
                if pipe_size(self.fd) < BIG_PIPE:
                    resize_pipe(self.fd, BIG_PIPE)


class Input:
    """The writable end: standard input, or a terminal."""

    __slots__ = (
        "_closing",
        "_loop",
        "_on_closed",
        "_on_room",
        "_watched",
        "fd",
        "is_terminal",
        "pending",
    )

    def __init__(
        self,
        loop: Loop,
        fd: int,
        on_room: Callable[[], None],
        on_closed: Callable[[], None],
        *,
        is_terminal: bool,
    ) -> None:
        self._loop = loop
        self._on_closed = on_closed
        self._on_room = on_room
        self._closing = False
        self._watched = False
        self.fd = fd
        self.is_terminal = is_terminal
        self.pending = bytearray()
        os.set_blocking(fd, False)

    @property
    def is_ready(self) -> bool:
        """Nothing waits: more may be written."""
        return not self.pending

    def write(self, data: bytes) -> None:
        """Write, or let it wait; dropped when the task has closed its end."""
        if self.fd < 0 or self._closing:
            return
        if not self.pending:
            count = self._write(data)
            if count == len(data):
                return
            data = data[count:]
        self.pending += data
        self._watch()

    def end(self) -> None:
        """Close once everything is written; a terminal stays open."""
        if self.is_terminal:
            return
        self._closing = True
        if not self.pending:
            self.close()

    def close(self) -> None:
        """Close now."""
        if self.fd >= 0:
            self._loop.forget(self.fd)
            os.close(self.fd)
            self.fd = -1
            self.pending.clear()
            self._on_closed()

    def pause(self) -> None:
        """Write nothing until `resume`."""
        if self._watched:
            self._watched = False
            self._loop.forget(self.fd)

    def resume(self) -> None:
        """Write what waits."""
        if self.pending:
            self._watch()

    def _watch(self) -> None:
        if not self._watched and self.fd >= 0:
            self._watched = True
            self._loop.watch(self.fd, WRITE, self._on_writable)

    def _on_writable(self, _events: int) -> None:
        count = self._write(self.pending)
        if self.fd < 0:
            self._watched = False
            self._on_room()
            return
        del self.pending[:count]
        if self.pending:
            return
        self.pause()
        if self._closing:
            self.close()
        self._on_room()

    def _write(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            return 0
        except OSError:  # EPIPE, EIO: nobody reads any more
            self.close()
            return len(data)
