"""Exit statuses: of our children, of an earlier supervisor's, and of strays.

As a subreaper the supervisor inherits what the OCI runtime leaves behind. Right after
`crun run -d` the container's process may not have been handed over yet (crun forks twice), so
waitid(2) says ECHILD for a moment. A task adopted from a dead supervisor is nobody's child
here: the daemon, as the next subreaper, may have it; else the kernel may remember.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from wharfie.kernel.process import exit_code_after_reaping, find_zombie_child, reap
from wharfie.supervisor.loop import Loop

RETRY_SECONDS = 0.0005
CHILD_RETRIES = 100
PATIENCE_SECONDS = 2.0
POLL_SECONDS = 0.05

Done = Callable[[int], None]


class _Waiting:
    """One status being looked for."""

    __slots__ = ("asked", "done", "is_child", "pidfd", "tries", "waited")

    def __init__(self, pidfd: int, done: Done, *, is_child: bool) -> None:
        self.pidfd = pidfd
        self.done = done
        self.is_child = is_child
        self.tries = 0
        self.asked = False
        self.waited = 0.0


class Reaper:
    """Takes exit statuses.

    Args:
        loop: for retries.
        ask: asks the daemon to reap a task; false when no daemon is connected.
        is_ours: tells whether a pid belongs to a task or a running runtime.
    """

    def __init__(
        self, loop: Loop, *, ask: Callable[[str], bool], is_ours: Callable[[int], bool]
    ) -> None:
        self._loop = loop
        self._ask = ask
        self._is_ours = is_ours
        self._waiting: dict[str, _Waiting] = {}

    def take_status(self, task_id: str, pidfd: int, done: Done, *, is_child: bool) -> None:
        """Find the exit code of an ended process and give it to `done`; -1 when it is lost."""
        self._waiting[task_id] = _Waiting(pidfd, done, is_child=is_child)
        self._try(task_id)

    def on_answer(self, task_id: str, code: int | None) -> None:
        """The daemon's answer: the code it took, or None when it is no child of it either."""
        waiting = self._waiting.get(task_id)
        if waiting is not None and code is not None:
            self._finish(task_id, code)

    def reap_strays(self) -> None:
        """Take the status of ended children nobody is interested in."""
        for _ in range(100):
            pid = find_zombie_child()
            if pid is None or self._is_ours(pid):
                return
            os.waitpid(pid, os.WNOHANG)

    def _try(self, task_id: str) -> None:
        waiting = self._waiting.get(task_id)
        if waiting is None:
            return
        try:
            code = reap(waiting.pidfd)
        except ChildProcessError:
            code = exit_code_after_reaping(waiting.pidfd)
        if code is not None:
            self._finish(task_id, code)
            return
        waiting.tries += 1
        if waiting.is_child and waiting.tries < CHILD_RETRIES:
            self._loop.call_later(RETRY_SECONDS, lambda: self._try(task_id))
            return
        if not waiting.asked:
            waiting.asked = self._ask(task_id)
        if waiting.waited >= PATIENCE_SECONDS:
            self._finish(task_id, -1)
            return
        waiting.waited += POLL_SECONDS
        self._loop.call_later(POLL_SECONDS, lambda: self._try(task_id))

    def _finish(self, task_id: str, code: int) -> None:
        self._waiting.pop(task_id).done(code)
