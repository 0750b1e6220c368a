"""The supervisor's event loop: one epoll, timers, and calls posted by threads.

A handler does a bounded piece of work and returns; descriptors are level-triggered, so what is
left comes again in the next turn, after everybody else had theirs. Descriptors that always have
something (a flood of output) are marked as bulk: a turn serves all others, then one of those.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import time
from collections import deque
from collections.abc import Callable

READ = select.EPOLLIN
WRITE = select.EPOLLOUT
HANGUP = select.EPOLLHUP | select.EPOLLERR

Handler = Callable[[int], None]
_SHARED = 0.2
"""Seconds for which a descriptor that was served is expected to be back soon."""


class Timer:
    """A call to come; `cancel` makes it not come."""

    __slots__ = ("at", "call")

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Forget the call; harmless when it was made."""
        self.call = None

    def __lt__(self, other: Timer) -> bool:
        return self.at < other.at


class Loop:
    """Watches descriptors and calls their handlers with the events seen."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._bulk: set[int] = set()
        self._served = -1
        self._shared_until = 0.0
        self._timers: list[Timer] = []
        self._posted: deque[Callable[[], None]] = deque()
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._running = True
        self.watch(self._wakeup, READ, self._on_wakeup)

    @property
    def is_shared(self) -> bool:
        """True while others than bulk were served of late: who is bulk then does a little only."""
        return time.monotonic() < self._shared_until

    def watch(self, fd: int, events: int, handler: Handler) -> None:
        """Call `handler` when one of `events` (or a hang-up, always) is seen on `fd`."""
        if fd in self._handlers:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
        self._handlers[fd] = handler

    def mark_bulk(self, fd: int) -> None:
        """Serve a watched descriptor after all others, from now on until it is forgotten."""
        if fd in self._handlers:
            self._bulk.add(fd)

    def forget(self, fd: int) -> None:
        """Stop watching; harmless when it was not watched. Before closing, always."""
        self._bulk.discard(fd)
        if self._handlers.pop(fd, None) is not None:
            with contextlib.suppress(OSError):
                self._epoll.unregister(fd)

    def call_later(self, delay: float, call: Callable[[], None]) -> Timer:
        """Call once, `delay` seconds from now."""
        timer = Timer(time.monotonic() + delay, call)
        heapq.heappush(self._timers, timer)
        return timer

    def post(self, call: Callable[[], None]) -> None:
        """Call soon, on the loop; may be called from any thread."""
        self._posted.append(call)
        os.eventfd_write(self._wakeup, 1)

    def stop(self) -> None:
        """Return from `run` after this turn."""
        self._running = False

    def run(self) -> None:
        """Turn until stopped."""
        while self._running:
            self.turn()

    def turn(self, max_wait: float = -1) -> None:
        """Wait for events and handle them once.

        Args:
            max_wait: seconds, -1 for as long as it takes.
        """
        handlers, bulk = self._handlers, self._bulk
        waiting: list[tuple[int, int]] = []
        for fd, events in self._epoll.poll(self._wait(max_wait), 256):
            if fd in bulk:
                waiting.append((fd, events))
                continue
            if events & READ and fd != self._wakeup:  # room to write is the flood's own
                self._shared_until = time.monotonic() + _SHARED
            handler = handlers.get(fd)
            if handler is not None:  # else forgotten by a handler of the same turn
                handler(events)
        if waiting:
            self._serve_bulk(waiting)
        if self._timers:
            self._run_timers()

    def _serve_bulk(self, waiting: list[tuple[int, int]]) -> None:
        """Serve the one whose turn it is."""
        fd, events = min(waiting, key=lambda one: (one[0] <= self._served, one[0]))
        self._served = fd
        handler = self._handlers.get(fd)
        if handler is not None:
            handler(events)

    def _wait(self, max_wait: float) -> float:
        while self._timers and self._timers[0].call is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return max_wait
        wait = max(0.0, self._timers[0].at - time.monotonic())
        return wait if max_wait < 0 else min(wait, max_wait)

    def _run_timers(self) -> None:
        now = time.monotonic()
        while self._timers and self._timers[0].at <= now:
            timer = heapq.heappop(self._timers)
            call, timer.call = timer.call, None
            if call is not None:
                call()

    def _on_wakeup(self, _events: int) -> None:
        os.eventfd_read(self._wakeup)
        for _ in range(len(self._posted)):
            self._posted.popleft()()
