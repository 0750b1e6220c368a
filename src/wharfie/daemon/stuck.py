"""Who waits for what: the report of `wharfied debug stuck` and of SIGUSR1.

It is written by a thread of its own, from what every source of waits knows and from the frames
of all tasks and threads; so it comes also while the event loop itself is stuck.

    wharfied, pid 7, 3 things wait
    request        12.3 s  POST /containers/web/stop
    lock           12.1 s  container 0123456789ab (web, running) is held by Task-9, 1 waiting
    …
    task Task-9  container 0123456789ab  in engine/containers/service.py:350 stop < …
    thread MainThread  in …
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType

from wharfie.kernel.descriptors import unix_address
from wharfie.model.ids import short
from wharfie.model.waits import Wait, WaitSource

_log = logging.getLogger(__name__)
SOCKET_NAME = "debug.sock"
_BURST = 0.02
_FRAMES = 4
_PACKAGE = f"{os.sep}wharfie{os.sep}"


class StuckReport:
    """Gathers what waits."""

    def __init__(self) -> None:
        self._sources: list[WaitSource] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Report this loop's tasks, too."""
        self._loop = loop

    def add(self, source: WaitSource) -> None:
        """Ask this source, too."""
        self._sources.append(source)

    def text(self) -> str:
        """The report of this moment; any thread may ask."""
        now = time.monotonic()
        waits: list[Wait] = [wait for source in self._sources for wait in source.waits()]
        waits.sort(key=lambda wait: (wait.kind, wait.since))
        lines = [f"wharfied, pid {os.getpid()}, {len(waits)} things wait"]
        lines += [f"{wait.kind:<11}{now - wait.since:>8.1f} s  {wait.what}" for wait in waits]
        lines += ["", *self._tasks(), "", *_threads()]
        return "\n".join(lines) + "\n"

    def _tasks(self) -> Iterator[str]:
        if self._loop is None:
            return
        for task in sorted(asyncio.all_tasks(self._loop), key=lambda task: task.get_name()):
            frames = list(_frames_of(task.get_coro()))
            subject = next((found for frame in frames if (found := _subject(frame))), "")
            about = f"  {subject}" if subject else ""
            yield f"task {task.get_name()}{about}  in {_places(frames)}"


def serve(report: StuckReport, exec_root: str) -> socket.socket:
    """Answer `wharfied debug stuck` from a thread; close the socket to stop.

    Whoever connects (root: the directory is closed to others) gets the report and is hung up on.
    """
    path = f"{exec_root}/{SOCKET_NAME}"
    listener = socket.socket(socket.AF_UNIX)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with unix_address(path) as address:
        listener.bind(address)
    os.chmod(path, 0o600)
    listener.listen(4)

    def answer() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(5)
                try:
                    client.sendall(report.text().encode())
                except OSError:
                    continue

    threading.Thread(target=answer, name="debug", daemon=True).start()
    return listener


def serve_signal(report: StuckReport, exec_root: str) -> None:
    """Write a report whenever SIGUSR1 comes, from a thread, until the process ends.

    A signal handler in Python would wait for the event loop, which may be what is stuck. That of
    faulthandler is C and runs at once; what it writes wakes the thread. It may look at the
    interrupted thread alone: walking through others while they run kills the process.
    """
    woken, wake = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(wake, False)
    faulthandler.register(signal.SIGUSR1, file=wake, all_threads=False)

    def answer() -> None:
        while os.read(woken, 1 << 16):
            while select.select([woken], [], [], _BURST)[0]:  # the rest of what one signal says
                os.read(woken, 1 << 16)
            try:
                _log.info("goroutine stacks written to %s", write(report, exec_root))
            except OSError as error:
                _log.warning("cannot write who waits for what: %s", error)

    threading.Thread(target=answer, name="SIGUSR1", daemon=True).start()


def write(report: StuckReport, exec_root: str) -> str:
    """Write the report to a file of its own, as dockerd does with its stacks; returns its path."""
    moment = time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime())
    path = f"{exec_root}/goroutine-stacks-{moment}.log"
    with open(path, "w", encoding="utf-8", opener=_open_private) as file:
        file.write(report.text())
    return path


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def ask(exec_root: str, timeout: float = 10) -> str:
    """The report of the daemon that runs on an exec-root; OSError when there is none."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        with unix_address(f"{exec_root}/{SOCKET_NAME}") as address:
            connection.connect(address)
        pieces = []
        while piece := connection.recv(1 << 16):
            pieces.append(piece)
        return b"".join(pieces).decode(errors="replace")


def _frames_of(waiting: object) -> Iterator[FrameType]:
    """Frames of a suspended coroutine, innermost first."""
    found: list[FrameType] = []
    while waiting is not None and len(found) < 50:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "ag_frame", None)
        if isinstance(frame, FrameType):
            found.append(frame)
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "ag_await", None)
    yield from reversed(found)


def _places(frames: Sequence[FrameType]) -> str:
    ours = [frame for frame in frames if _PACKAGE in frame.f_code.co_filename]
    return " < ".join(_place(frame) for frame in (ours or list(frames))[:_FRAMES]) or "nothing"


def _place(frame: FrameType) -> str:
    file = frame.f_code.co_filename.rpartition(_PACKAGE)[2]
    return f"{file}:{frame.f_lineno} {frame.f_code.co_name}"


def _subject(frame: FrameType) -> str:
    """Which container a frame is about, by the names our code has for it."""
    if _PACKAGE not in frame.f_code.co_filename:
        return ""
    for name in ("handle", "record", "container"):
        identity = getattr(frame.f_locals.get(name), "id", None)
        if isinstance(identity, str):
            return f"container {short(identity)}"
    for name in ("container_id", "task_id", "ref"):
        value = frame.f_locals.get(name)
        if isinstance(value, str) and value:
            return f"container {value[:12]}"
    return ""


def _threads() -> Iterator[str]:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the documented way
        frames: list[FrameType] = []
        step: FrameType | None = frame
        while step is not None and len(frames) < 50:
            frames.append(step)
            step = step.f_back
        yield f"thread {names.get(ident, ident)}  in {_places(frames)}"
