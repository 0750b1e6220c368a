"""Threads for what may block on a disk: opening, writing and rotating logs.

A log file may sit on a disk that is slow or dead, and write(2) to a file cannot be told not to
block. So the loop never writes one: it hands jobs to these threads, one at a time per log. Two
threads are enough while jobs are quick (write(2) releases the interpreter lock, so the loop
encodes the next chunk meanwhile); for each job that hangs another thread takes its place, so a
stuck log stalls its own container only.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from wharfie.supervisor.loop import Loop, Timer

Job = Callable[[], Callable[[], None]]
"""Runs in a thread; what it returns is called on the loop."""

THREADS = 2
MAX_THREADS = 256
STUCK_AFTER = 0.1
IDLE_SECONDS = 20.0


class Writers:
    """A pool that grows by one thread for each thread that is stuck."""

    def __init__(self, loop: Loop, *, max_threads: int = MAX_THREADS) -> None:
        self._loop = loop
        self._max_threads = max_threads
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0
        self._started: dict[int, float] = {}
        self._check: Timer | None = None

    def submit(self, job: Job) -> None:
        """Run a job in a thread, then what it returned on the loop."""
        self._jobs.put(job)
        self._grow()

    def _grow(self) -> None:
        with self._lock:
            if self._idle >= self._jobs.qsize():
                return
            deadline = time.monotonic() - STUCK_AFTER
            stuck = sum(1 for at in self._started.values() if at < deadline)
            if self._threads - stuck < THREADS and self._threads < self._max_threads:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True).start()
        if self._check is None:
            self._check = self._loop.call_later(STUCK_AFTER, self._on_check)

    def _on_check(self) -> None:
        self._check = None
        if not self._jobs.empty():
            self._grow()

    def _work(self) -> None:
        ident = threading.get_ident()
        try:
            while True:
                with self._lock:
                    self._idle += 1
                job: Job | None
                try:
                    job = self._jobs.get(timeout=IDLE_SECONDS)
                except queue.Empty:
                    job = None
                finally:
                    with self._lock:
                        self._idle -= 1
                        self._started[ident] = time.monotonic()
                if job is None:
                    if self._jobs.empty():  # asked after leaving the idle: no job is overlooked
                        return
                    continue
                self._loop.post(job())
                with self._lock:
                    del self._started[ident]
        finally:
            with self._lock:
                self._threads -= 1
                self._started.pop(ident, None)
