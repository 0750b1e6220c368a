"""Where a log's output is sent: a queue, a connection, and patience.

                 ┌──────────── lost ────────────┐
    new ──open──▶ connecting ──up──▶ sending ───┤
                 ▲                              ▼
                 └───────── delay ◀───────── waiting     (attempts used up: what waits is dropped)

Output waits as it came and is cut into lines and messages as the connection takes them, a few
at a time, so that one busy log holds nobody up. A full queue makes the owner stop reading its
task's output, or drops output when that is what was asked for. Nothing here blocks.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator

from wharfie.formats.logs.fluent import parse_ack
from wharfie.formats.logs.lines import STDERR, STDOUT, Lines, Record
from wharfie.supervisor.diagnostics import Diagnostics
from wharfie.supervisor.logs.encoding import make_line_id
from wharfie.supervisor.logs.sending.channel import Channel
from wharfie.supervisor.logs.sending.messages import Plan
from wharfie.supervisor.loop import Loop, Timer
from wharfie.supervisor.streams.writers import Writers

QUEUE_LIMIT = 1 << 20
BATCH = 64
"""Messages a turn."""
OUT_LIMIT = 1 << 16
"""Bytes of formed messages of a stream."""
MAX_DELAY = 10.0
STUCK_SECONDS = 2.0
DRAIN_SECONDS = 1.0
FINISH_SECONDS = 10.0


class Target:
    """Sends the output of one task. See `tasklog.Target`."""

    def __init__(
        self,
        loop: Loop,
        resolver: Writers,
        plan: Plan,
        diagnostics: Diagnostics,
        *,
        on_room: Callable[[], None],
        on_finished: Callable[[Target], None],
    ) -> None:
        self._loop = loop
        self._resolver = resolver
        self._plan = plan
        self._diagnostics = diagnostics
        self._on_room = on_room
        self._on_finished = on_finished
        self._queue: deque[tuple[int, int, bytes | None]] = deque()
        self._queued = 0
        self._lines = Lines(make_line_id)
        self._records: Iterator[Record] = iter(())
        self._ahead: Record | None = None
        self._inside: dict[int, bool] = {}
        """By stream, whether the last output ended inside a line."""
        self._dropping: set[int] = set()
        self._out: deque[bytes] = deque()
        self._formed: list[Record] = []
        """The records that `_out` was formed of, to be sent again by another program."""
        self._sent = 0
        """Bytes of the first message in `_out` that went."""
        self._acked = b""
        self._awaited = ""
        self._unacked = b""
        self._channel: Channel | None = None
        self._opened: Callable[[OSError | None], None] | None = None
        self._retry: Timer | None = None
        self._failures = 0
        self._is_down = False
        """Attempts are used up: output is dropped until a connection succeeds."""
        self._progress = time.monotonic()
        self._stalled: Timer | None = None
        self._waiting: list[Callable[[], None]] = []
        self._finishing = False
        self._is_closed = False
        self._complaint = ""

    @property
    def is_congested(self) -> bool:
        """Source: `tasklog.Target`."""
        return self._queued >= QUEUE_LIMIT and not self._plan.buffer

    @property
    def is_stuck(self) -> bool:
        """Source: `tasklog.Target`."""
        return self._is_waiting and time.monotonic() - self._progress > STUCK_SECONDS

    @property
    def is_finishing(self) -> bool:
        """Nothing more will be fed."""
        return self._finishing and not self._is_closed

    # --- life

    def open(self, done: Callable[[OSError | None], None]) -> None:
        """Source: `tasklog.Target`."""
        if self._plan.waits_at_start:
            self._opened = done
            self._connect()
        else:
            self._connect()
            done(None)

    def restore(self, unsent: list[tuple[int, int, bytes]]) -> None:
        """Source: `tasklog.Target`."""
        for stream, at, data in unsent:
            self._put(stream, at, data)
        self._connect()

    def drain(self, done: Callable[[], None]) -> None:
        """Source: `tasklog.Target`."""
        if not self._is_waiting or self._is_closed:
            done()
            return
        calls = [done]

        def once() -> None:
            if calls:
                calls.pop()()

        self._waiting.append(once)
        self._loop.call_later(DRAIN_SECONDS, once)

    def finish(self) -> None:
        """Source: `tasklog.Target`."""
        self._finishing = True
        if self._is_waiting and not self._is_down:
            self._waiting.append(self._close)
            self._loop.call_later(FINISH_SECONDS, self._close)
        else:
            self._close()

    def _close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        for timer in (self._retry, self._stalled):
            if timer is not None:
                timer.cancel()
        if self._channel is not None:
            self._channel.close()
        self._drop_all()
        self._on_finished(self)

    # --- output comes

    def feed(self, stream: int, data: bytes) -> None:
        """Source: `tasklog.Target`."""
        if self._is_closed:
            return
        limit = self._plan.buffer
        if self._is_down or (limit and self._queued and self._queued + len(data) > limit):
            self._drop(stream, data)
            return
        was_inside = self._inside.get(stream, False)
        self._inside[stream] = not data.endswith(b"\n")
        if stream in self._dropping:
            if was_inside:  # what comes first belongs to a line that was dropped
                data = data[data.find(b"\n") + 1 or len(data) :]
            if not data:
                return
            self._dropping.discard(stream)
        self._put(stream, time.time_ns(), data)
        self._pump()

    def end(self, stream: int) -> None:
        """Source: `tasklog.Target`."""
        self._queue.append((stream, 0, None))
        self._pump()

    def pending(self, stream: int) -> bytes:
        """Source: `tasklog.Target`."""
        return self._lines.pending(stream)

    def unsent(self) -> list[tuple[int, int, bytes]]:
        """Source: `tasklog.Target`. What was cut into lines already waits as output again."""
        records = [*self._formed, *([self._ahead] if self._ahead else []), *self._records]
        self._formed.clear()
        self._out.clear()
        self._sent = 0
        self._ahead = None
        cut: list[tuple[int, int, bytes | None]] = [
            (one.stream, one.time, one.line + (b"\n" if one.is_whole else b"")) for one in records
        ]
        now = time.time_ns()
        unfinished = [(stream, now, self._lines.pending(stream)) for stream in (STDOUT, STDERR)]
        cut.extend(one for one in unfinished if one[2])
        self._lines = Lines(make_line_id)
        self._queued += sum(len(data) for _, _, data in cut if data is not None)
        self._queue.extendleft(reversed(cut))
        return [(stream, at, data) for stream, at, data in self._queue if data is not None]

    def _drop(self, stream: int, data: bytes) -> None:
        self._complain("output that cannot be sent is dropped")
        if stream not in self._dropping:
            self._dropping.add(stream)
            if not self._is_down:
                self._queue.append((stream, 0, None))  # the line that was begun ends here
        self._inside[stream] = not data.endswith(b"\n")

    def _put(self, stream: int, at: int, data: bytes) -> None:
        if not self._is_waiting:
            self._progress = time.monotonic()
        self._queue.append((stream, at, data))
        self._queued += len(data)

    @property
    def _is_waiting(self) -> bool:
        return bool(self._queue or self._out or self._ahead or self._awaited)

    # --- messages go

    def _pump(self) -> None:
        channel = self._channel
        if channel is None or not channel.is_up or (self._awaited and not self._out):
            return
        was_congested = self.is_congested
        is_blocked = False
        for _ in range(BATCH):
            if not self._out and not self._form():
                break
            if not self._send(channel):
                is_blocked = True
                break
            if self._awaited and not self._out:
                break
        if self._channel is not channel:
            return  # it went down
        is_waiting_for_ack = bool(self._awaited) and not self._out
        channel.want_room(wanted=self._is_waiting and not is_waiting_for_ack)
        self._watch_stall(is_blocked=is_blocked)
        if was_congested and not self.is_congested:
            self._on_room()
        if not self._is_waiting:
            self._on_drained()

    def _form(self) -> bool:
        """Form the next message, or for a stream a few; False when nothing waits."""
        size = 0
        while size < OUT_LIMIT:
            record = self._next_record()
            if record is None:
                break
            self._formed.append(record)
            if self._plan.acked is not None:
                self._awaited = make_line_id()[:24]
                self._out.extend(self._plan.acked(record, self._awaited))
                break
            messages = self._plan.encoder.encode(record)
            self._out.extend(messages)
            size += sum(map(len, messages))
            if self._plan.address.is_datagram and messages:
                break
        if len(self._out) > 1 and not self._plan.address.is_datagram:
            joined = b"".join(self._out)
            self._out.clear()
            self._out.append(joined)
        return bool(self._out)

    def _next_record(self) -> Record | None:
        record = self._ahead or self._pull()
        self._ahead = self._pull() if record is not None else None
        return record

    def _pull(self) -> Record | None:
        while True:
            record = next(self._records, None)
            if record is not None:
                return record
            if not self._queue:
                return None
            stream, at, data = self._queue.popleft()
            if data is None:
                self._records = self._lines.flush(stream)
            else:
                self._queued -= len(data)
                self._records = self._lines.feed(stream, data, at)

    def _send(self, channel: Channel) -> bool:
        """Send the first message; False when the channel is full or went down."""
        message = self._out[0]
        count = channel.send(memoryview(message)[self._sent :] if self._sent else message)
        if not count and message:
            return False
        self._progress = time.monotonic()
        self._sent += count
        if self._sent < len(message):
            return False
        self._out.popleft()
        self._sent = 0
        if not self._out:
            self._formed.clear()
        if self._awaited:
            self._unacked = message
        return True

    def _watch_stall(self, *, is_blocked: bool) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        if self._plan.stall and (is_blocked or self._awaited):
            self._stalled = self._loop.call_later(self._plan.stall, self._on_stall)

    def _on_stall(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._on_down(TimeoutError(f"write {self._plan.address}: i/o timeout"))

    def _on_data(self, data: bytes) -> None:
        if not self._awaited:
            return
        self._acked += data
        try:
            found = parse_ack(self._acked)
        except ValueError:
            found = ("", len(self._acked))
        if found is None:
            return
        self._acked = self._acked[found[1] :]
        self._awaited = ""
        self._unacked = b""
        self._pump()

    def _on_drained(self) -> None:
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()

    # --- the connection

    def _connect(self) -> None:
        self._retry = None
        if self._is_closed:
            return
        tls = self._plan.tls
        self._channel = Channel(
            self._loop,
            self._resolver,
            self._plan.address,
            encrypt=None if tls is None else tls.context,
            on_up=self._on_up,
            on_down=self._on_down,
            on_writable=self._pump,
            on_data=self._on_data,
        )
        self._channel.open()

    def _on_up(self) -> None:
        self._failures = 0
        self._is_down = False
        self._complaint = ""
        self._sent = 0  # a message cut short is sent again, one not acknowledged too
        if self._unacked:
            self._out.appendleft(self._unacked)
            self._unacked = b""
        self._acked = b""
        self._tell_opened(None)
        # Not at once: `open` of the channel may not have returned yet.
        self._loop.post(self._pump)

    def _on_down(self, error: OSError) -> None:
        self._channel = None
        if self._tell_opened(OSError(self._plan.refusal.format(error))):
            self._close()
            return
        if self._is_closed:
            return
        self._complain(str(error))
        self._failures += 1
        if 0 <= self._plan.attempts < self._failures:
            self._is_down = True
            self._drop_all()
            if self._finishing:
                self._close()
                return
        if self._failures == 1 and not self._is_down:
            self._loop.post(self._connect)
        else:
            self._retry_later()

    def _retry_later(self) -> None:
        delay = min(MAX_DELAY, self._plan.delay * 1.5 ** min(self._failures, 20))
        self._retry = self._loop.call_later(delay, self._connect)

    def _drop_all(self) -> None:
        was_congested = self.is_congested
        self._queue.clear()
        self._queued = 0
        self._records = iter(())
        self._ahead = None
        self._lines = Lines(make_line_id)
        self._dropping.update(self._inside)
        self._out.clear()
        self._formed.clear()
        self._sent = 0
        self._awaited = ""
        self._unacked = b""
        self._on_drained()
        if was_congested:
            self._on_room()

    def _tell_opened(self, error: OSError | None) -> bool:
        done, self._opened = self._opened, None
        if done is not None:
            done(error)
        return done is not None

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            self._complaint = text
            self._diagnostics.write(f"log to {self._plan.address}: {text}")
