"""An eye on the supervisor: one that was stopped is continued, one that hangs is ended.

While a request waits, /proc is asked every 50 ms whether the supervisor was stopped (SIGSTOP, a
debugger that forgot it); otherwise once a second: its containers' pipes fill up meanwhile. A
supervisor that says nothing at all for long is killed; the client then replaces it, and the
daemon's duplicates of every descriptor go to the new one, as after any crash.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable

from wharfie.supervisor import protocol

log = logging.getLogger(__name__)

IDLE_SECONDS = 1.0
BUSY_SECONDS = 0.05
PING_SECONDS = 10.0
HUNG_SECONDS = 30.0
"""Without an answer to a ping: nothing but an endless loop or a dead disk takes that long."""
MIN_LOOKS = 20
"""Looks after the ping, too: it may have been us who slept."""


class SupervisorWatch:
    """Looks after the supervisor of one exec-root.

    Args:
        exec_root: where its lock tells its pid.
        loop: of the client.
        oldest: when the request was asked that waits longest, None without any.
        ping: asks something that is answered at once.
    """

    def __init__(
        self,
        exec_root: str,
        loop: asyncio.AbstractEventLoop,
        *,
        oldest: Callable[[], float | None],
        ping: Callable[[], None],
    ) -> None:
        self._lock = f"{exec_root}/{protocol.LOCK_NAME}"
        self._loop = loop
        self._oldest = oldest
        self._ping = ping
        self._timer: asyncio.TimerHandle | None = None
        self._is_hurried = False
        self._heard = time.monotonic()
        self._pinged = 0.0
        self._looks = 0

    def start(self) -> None:
        """Begin to look."""
        self.heard()
        self._schedule()

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def heard(self) -> None:
        """The supervisor said something."""
        self._heard = time.monotonic()
        self._pinged = 0.0

    def hurry(self) -> None:
        """A request was asked: look soon."""
        if self._timer is not None and not self._is_hurried:
            self._timer.cancel()
            self._schedule()

    def _schedule(self) -> None:
        self._is_hurried = self._oldest() is not None
        self._timer = self._loop.call_later(
            BUSY_SECONDS if self._is_hurried else IDLE_SECONDS, self._look
        )

    def _look(self) -> None:
        self._schedule()
        now = time.monotonic()
        oldest = self._oldest()
        if oldest is not None and now - oldest < BUSY_SECONDS:
            return
        pid = self._pid()
        state = process_state(pid)
        if state == "T":
            log.warning("the supervisor (pid %d) was stopped: continuing it", pid)
            os.kill(pid, signal.SIGCONT)
            self.heard()
            return
        if not self._pinged:
            if now - self._heard > PING_SECONDS:
                self._pinged = now
                self._looks = 0
                self._ping()
            return
        self._looks += 1
        hung = now - self._pinged
        if hung > HUNG_SECONDS and self._looks > MIN_LOOKS and state not in ("", "t", "Z"):
            log.error("the supervisor (pid %d) has hung for %.0f s: ending it", pid, hung)
            os.kill(pid, signal.SIGKILL)
            self.heard()

    def _pid(self) -> int:
        """The supervisor's pid, 0 when there is none."""
        try:
            with open(self._lock, encoding="ascii") as file:
                return int(file.read(20))
        except (OSError, ValueError):
            return 0


_NAME = b"(" + protocol.PROCESS_NAME.encode()


def process_state(pid: int) -> str:
    """The letter of a supervisor's state (proc(5)), "" when the number is nobody's or another's."""
    if pid <= 0:
        return ""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            head, _, tail = file.read().rpartition(b")")
            return chr(tail.split()[0][0]) if head.endswith(_NAME) else ""
    except (OSError, IndexError):
        return ""
