"""Starts one task: root mount, stdio, OCI runtime, pid.

    log opened ─▶ root mounted, runtime spawned ─▶ runtime ended ─▶ running, or failed

Nothing here waits: many launches are under way at once. Output stays in the pipes until the
runtime has succeeded, for only then it is the container's.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Sequence

import orjson

from wharfie.kernel import mounts
from wharfie.kernel.descriptors import close_all
from wharfie.kernel.process import reap, send_signal
from wharfie.supervisor import protocol
from wharfie.supervisor.loop import READ, Loop, Timer
from wharfie.supervisor.processes.runtime_copy import RuntimeCopies
from wharfie.supervisor.protocol import Message
from wharfie.supervisor.streams.console import ConsoleListener
from wharfie.supervisor.task import Task

MAX_ERROR = 16384
LAUNCH_SECONDS = 60.0
"""A runtime that takes longer hangs (a dead mount, a fifo in its way) and is ended."""
DEATH_SECONDS = 5.0

_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD)
_FATAL = ("error", "fatal", "panic")


class LaunchSpec:
    """How to start a task; the fields of `model.task.TaskSpec`."""

    __slots__ = (
        "argv", "console_socket", "environment", "error_log", "log", "mount_target",
        "mount_targets", "pid_file", "stdin", "stdin_once", "task_id", "terminal_size",
    )  # fmt: skip

    def __init__(self, message: Message) -> None:
        self.task_id = protocol.text(message, "id")
        self.argv = protocol.texts(message, "argv")
        self.environment = protocol.table(message, "environment")
        self.pid_file = protocol.text(message, "pid_file")
        self.error_log = protocol.text(message, "error_log")
        self.console_socket = protocol.text(message, "console_socket")
        self.stdin = protocol.flag(message, "stdin")
        self.stdin_once = protocol.flag(message, "stdin_once")
        self.mount_target = protocol.text(message, "mount_target")
        self.mount_targets = protocol.texts(message, "mount_targets")
        self.log = protocol.nested(message, "log")
        size = protocol.numbers(message, "terminal_size")
        self.terminal_size = (size[0], size[1]) if len(size) == 2 else (0, 0)
        if not self.argv:
            raise protocol.ProtocolError("argv: empty")


class Launch:
    """One launch under way.

    Args:
        loop: as ever.
        copies: finds the runtime's program.
        task: what the streams will belong to.
        spec: how to start it.
        rootfs: root mount for `mount_target`, -1 for none; closed by the launch.
        trees: mounts for `mount_targets`, as many; closed by the launch.
        done: called once, with the runtime's error text, "" when the task runs.
    """

    def __init__(
        self,
        loop: Loop,
        copies: RuntimeCopies,
        task: Task,
        spec: LaunchSpec,
        *,
        rootfs: int,
        done: Callable[[str], None],
        trees: Sequence[int] = (),
    ) -> None:
        self._loop = loop
        self._copies = copies
        self._task = task
        self._spec = spec
        self._trees = list(zip(trees, spec.mount_targets, strict=True))
        if rootfs >= 0:
            self._trees.insert(0, (rootfs, spec.mount_target))
        self._done = done
        self._mounted: list[str] = []
        self._pidfd = -1
        self._console: ConsoleListener | None = None
        self._theirs: list[int] = []
        self._ours: dict[str, int] = {}
        self._deadline: Timer | None = None
        self._is_late = False
        self.runtime_pid = 0

    def start(self) -> None:
        """Open the log, then spawn the runtime."""
        if self._task.log is None:
            self._spawn()
        else:
            self._task.log.open(self._on_log_open)

    def _on_log_open(self, error: OSError | None) -> None:
        if error is None:
            self._spawn()
        else:
            self._fail(f"failed to initialize logging driver: {error}")

    def _spawn(self) -> None:
        spec = self._spec
        try:
            executable = self._copies.executable(spec.argv[0], spec.environment)
            for leftover in (spec.pid_file, spec.error_log):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(leftover)
            self._mount()
            stdio = self._open_stdio()
            self.runtime_pid = os.posix_spawn(
                executable,
                spec.argv,
                spec.environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, i) for i, fd in enumerate(stdio)],
                setsigdef=_DEFAULT_SIGNALS,
                setsigmask=[],
            )
            self._pidfd = os.pidfd_open(self.runtime_pid)
        except OSError as error:
            self._fail(str(error))
            return
        close_all(self._theirs)
        self._theirs = []
        self._loop.watch(self._pidfd, READ, self._on_runtime_end)
        self._deadline = self._loop.call_later(LAUNCH_SECONDS, self._on_deadline)

    def _on_deadline(self) -> None:
        self._is_late = True
        send_signal(self._pidfd, signal.SIGKILL)
        self._deadline = self._loop.call_later(DEATH_SECONDS, self._give_up)

    def _give_up(self) -> None:
        """It does not even die: it is stuck in the kernel. The reaper takes it when it ends."""
        self._loop.forget(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        self.runtime_pid = 0
        self._fail("the OCI runtime is stuck in the kernel (a dead mount?) and does not end")

    def _mount(self) -> None:
        while self._trees:
            tree, target = self._trees.pop(0)
            try:
                mounts.move_mount(tree, "", mounts.AT_FDCWD, target)
                self._mounted.append(target)
            finally:
                os.close(tree)

    def _unmount(self) -> None:
        while self._mounted:
            mounts.umount(self._mounted.pop(), mounts.MNT_DETACH)

    def _open_stdio(self) -> list[int]:
        """The runtime's three descriptors; with a terminal they carry its own words only."""
        spec = self._spec
        if spec.console_socket:
            self._console = ConsoleListener(self._loop, spec.console_socket, spec.terminal_size)
        if spec.stdin and not spec.console_socket:
            stdin, self._ours["stdin"] = os.pipe2(os.O_CLOEXEC)
        else:
            stdin = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._theirs.append(stdin)
        for name in ("stdout", "stderr"):
            self._ours[name], write_end = os.pipe2(os.O_CLOEXEC)
            self._theirs.append(write_end)
        return self._theirs

    def _on_runtime_end(self, _events: int) -> None:
        code = reap(self._pidfd)
        if code is None:
            return
        self._loop.forget(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        self.runtime_pid = 0
        if self._deadline is not None:
            self._deadline.cancel()
        try:
            self._unmount()
        except OSError as error:
            self._fail(f"detach root mount: {error}")
            return
        if self._is_late:
            self._fail(f"the OCI runtime hung and was ended after {LAUNCH_SECONDS:.0f} s")
            return
        if code != 0:
            self._fail(self._runtime_error() or f"OCI runtime exited with status {code}")
            return
        try:
            with open(self._spec.pid_file, "rb") as file:
                pid = int(file.read(32))
        except (OSError, ValueError) as error:
            self._fail(f"OCI runtime left no pid: {error}")
            return
        self._run(pid)

    def _run(self, pid: int) -> None:
        task, ours = self._task, self._ours
        terminal = -1
        if self._console is not None:
            terminal = self._console.take_master()
            self._console.close()
            close_all([ours.pop("stdout"), ours.pop("stderr")])
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            pidfd = -1
        task.set_streams(
            stdin=ours.get("stdin", -1),
            stdout=ours.get("stdout", -1),
            stderr=ours.get("stderr", -1),
            terminal=terminal,
        )
        self._ours = {}
        task.run(pid, pidfd)
        self._done("")

    def _runtime_error(self) -> str:
        """The runtime's last word: its JSON log, else what it printed."""
        message = ""
        with contextlib.suppress(OSError), open(self._spec.error_log, "rb") as file:
            for line in file.read(MAX_ERROR * 4).splitlines():
                message = _error_of(line) or message
        return message or self._printed()

    def _printed(self) -> str:
        texts = []
        for name in ("stderr", "stdout"):
            fd = self._ours[name]
            os.set_blocking(fd, False)
            with contextlib.suppress(OSError):
                texts.append(os.read(fd, MAX_ERROR).decode("utf-8", "replace").strip())
        return "\n".join(filter(None, texts))

    def _fail(self, message: str) -> None:
        while self._mounted:
            with contextlib.suppress(OSError):
                self._unmount()
        if self._console is not None:
            self._console.close()
        close_all([*self._theirs, *self._ours.values()])
        close_all([tree for tree, _ in self._trees])
        self._trees = []
        self._task.is_launching = False
        if self._task.log is not None:
            self._task.log.close()
            self._task.log = None
        self._done(message or "OCI runtime failed")


def _error_of(line: bytes) -> str:
    """The message of an error record in the runtime's log, "" of any other line."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return ""
    if not isinstance(record, dict) or record.get("level", "error") not in _FATAL:
        return ""
    message = record.get("msg", "")
    return message if isinstance(message, str) else ""
