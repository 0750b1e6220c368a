"""Threads for calls that may block, as many as it takes: a stuck one stands in nobody's way.

The event loop's usual pool has a handful of threads. As many calls into dead mounts would take
them all, and the whole engine with them. Here a thread that does not come back within a moment
no longer counts, another takes its place; idle ones go. Nobody waits for stuck threads when the
daemon ends.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import NamedTuple, ParamSpec, TypeVar

from wharfie.model.waits import Wait

P = ParamSpec("P")
T = TypeVar("T")

STUCK_AFTER = 0.1
IDLE_SECONDS = 10.0
MAX_THREADS = 512
END_SECONDS = 2.0


class _Job(NamedTuple):
    future: Future[object]
    call: Callable[[], object]
    what: str


class Workers(ThreadPoolExecutor):
    """The loop's default executor.

    Args:
        loop: whose; notices that all threads are stuck.
        size: threads that work at a time, stuck ones not counted.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, size: int = 0) -> None:
        super().__init__(max_workers=1)
        self._loop = loop
        self._size = size or min(8, (os.cpu_count() or 1) + 4)
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._guard = threading.Lock()
        self._idle = 0
        self._alive: set[threading.Thread] = set()
        self._started: dict[int, tuple[float, str]] = {}
        self._is_checking = False
        self._is_over = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As of an executor."""
        if self._is_over:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[T] = Future()
        call = functools.partial(fn, *args, **kwargs)
        self._jobs.put(_Job(future, call, describe(call)))  # type: ignore[arg-type] # of any result
        self._grow()
        return future

    def waits(self) -> Sequence[Wait]:
        """Calls under way. See `model.waits.WaitSource`."""
        with self._guard:
            return [Wait("thread", what, since) for since, what in self._started.values()]

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 # the executor's form
        """End; waits a little for calls under way, and never for stuck ones."""
        self._is_over = True
        with self._guard:
            threads = list(self._alive)
        for _ in threads:
            self._jobs.put(None)
        deadline = time.monotonic() + (END_SECONDS if wait else 0)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _grow(self) -> None:
        """Add threads for what waits; look again soon if more waits than there is room for."""
        with self._guard:
            deadline = time.monotonic() - STUCK_AFTER
            stuck = sum(1 for since, _ in self._started.values() if since < deadline)
            wanted = self._jobs.qsize() - self._idle
            room = min(self._size + stuck, MAX_THREADS) - len(self._alive)
            for _ in range(min(wanted, room)):
                thread = threading.Thread(target=self._work, name="work", daemon=True)
                self._alive.add(thread)
                thread.start()
            if wanted > 0 and not self._is_checking:
                self._is_checking = True
                self._loop.call_soon_threadsafe(self._check_later)

    def _check_later(self) -> None:
        self._loop.call_later(STUCK_AFTER / 2, self._check)

    def _check(self) -> None:
        self._is_checking = False
        if not self._jobs.empty():
            self._grow()

    def _work(self) -> None:
        ident = threading.get_ident()
        try:
            while self._run_next(ident):
                pass
        finally:
            with self._guard:
                self._alive.discard(threading.current_thread())
                self._started.pop(ident, None)

    def _run_next(self, ident: int) -> bool:
        """Wait for a job and do it; False when there is none for long, or no more to come."""
        with self._guard:
            self._idle += 1
        job: _Job | None
        try:
            job = self._jobs.get(timeout=IDLE_SECONDS)
        except Empty:
            job = None
        finally:
            with self._guard:
                self._idle -= 1
        if job is None:
            return not self._is_over and not self._jobs.empty()
        with self._guard:
            self._started[ident] = (time.monotonic(), job.what)
        try:
            _run(job)
        finally:
            with self._guard:
                self._started.pop(ident, None)
        return True


def _run(job: _Job) -> None:
    if not job.future.set_running_or_notify_cancel():
        return
    try:
        result = job.call()
    except BaseException as error:  # noqa: BLE001 - raised again in the caller that waits for it
        job.future.set_exception(error)
    else:
        job.future.set_result(result)


def describe(call: Callable[..., object]) -> str:
    """A call for people: the function `asyncio.to_thread` was given, and its texts."""
    arguments: tuple[object, ...] = ()
    while isinstance(call, functools.partial):
        arguments = (*call.args, *arguments)
        call = call.func
        if getattr(call, "__name__", "") == "run" and arguments and callable(arguments[0]):
            call, arguments = arguments[0], arguments[1:]  # a context's `run`
    name = getattr(call, "__qualname__", type(call).__name__)
    texts = [one[-80:] for one in arguments if isinstance(one, str)]
    return f"{name}({', '.join(texts)})"
