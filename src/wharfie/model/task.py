"""Tasks: processes the supervisor holds, and the port through which the engine talks to it.

A task is a container's first process or one exec'd process; its ID is the container's or the
exec's. The supervisor owns its stdio, terminal, log file and exit status, and outlives the
daemon. `attach` may come before `launch`: no early byte is lost.

The end of a task is told in this order: output drained and logged, exit record on disk, exit
message, the engine's commit, `settle`, streams of attached clients closed. So whoever sees the
end of a stream can read the exit code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct, field


class LogSpec(Struct, frozen=True, kw_only=True):
    """Where a task's output is logged.

    Attributes:
        driver: "json-file", "local", "none", or one that sends: "syslog", "journald", "gelf",
            "fluentd".
        path: absolute path of the log file, mode 0640; of a driver that sends the file that
            keeps what was sent, to be read back, "" for none.
        max_size: bytes after which the file is rotated, 0 for never.
        max_files: files kept, the current one included.
        compress: gzip rotated files.
        attributes: extra "attrs" of each line (labels, env, tag), {} for none.
        buffer: bytes that may wait for a slow log before output is dropped; 0 waits instead,
            and the process with it.
        options: of a driver that sends: where to and how, names as the driver's own options.
        fields: what each message of such a driver says beside the line.
    """

    driver: str = "json-file"
    path: str = ""
    max_size: int = 0
    max_files: int = 1
    compress: bool = False
    attributes: dict[str, str] = field(default_factory=dict)
    buffer: int = 0
    options: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)


class TaskSpec(Struct, frozen=True, kw_only=True):
    """How to start a task.

    Attributes:
        id: container or exec ID.
        argv: the OCI runtime's whole command; it must detach and write `pid_file`.
        environment: the runtime's own environment.
        pid_file: where the runtime writes the task's pid.
        error_log: the runtime's `--log` file (JSON lines), read when it fails.
        console_socket: path the supervisor listens on to receive the terminal; "" without one.
        stdin: keep a pipe open to the task's standard input, else it reads /dev/null.
        stdin_once: close that pipe when the first client with input goes.
        mount_target: directory at which the passed root mount is attached while the runtime
            starts, and detached from after; "" when none is passed.
        mount_targets: as many further places, for the passed trees, in order.
        log: what to do with the output; None for exec'd tasks.
        terminal_size: rows and columns, (0, 0) for unknown.
    """

    id: str
    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    pid_file: str
    error_log: str
    console_socket: str = ""
    stdin: bool = False
    stdin_once: bool = False
    mount_target: str = ""
    mount_targets: list[str] = field(default_factory=list)
    log: LogSpec | None = None
    terminal_size: tuple[int, int] = (0, 0)


class TaskExit(Struct, frozen=True):
    """How a task ended.

    Attributes:
        code: 0–255, 128+n for death by signal n; -1 when the status is lost.
        at: nanoseconds since the epoch.
    """

    id: str
    code: int
    at: int


class TaskStatus(Struct, frozen=True):
    """What the supervisor holds of one task; `exit` is None while it runs, `pid` 0 before."""

    id: str
    pid: int
    exit: TaskExit | None = None


class AttachSpec(Struct, frozen=True, kw_only=True):
    """What a client's connection is joined to.

    Attributes:
        stdin: bytes of the connection go to the task.
        stdout: its standard output goes to the connection.
        stderr: its standard error too.
        framed: output carries the 8-byte stream headers (no terminal).
        detach_keys: byte sequence that ends the attachment, b"" for none.
        hold: keep output back until `release`, so that a log can be replayed first.
        head: input bytes that were read with the request already.
    """

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    framed: bool = True
    detach_keys: bytes = b""
    hold: bool = False
    head: bytes = b""


class Attachment(Struct, frozen=True):
    """A registered attachment.

    Attributes:
        log_size: bytes of the current log file that were written before it began.
    """

    id: int
    log_size: int = 0


class AttachmentEnd(Struct, frozen=True):
    """A client left an attachment, or it ended with the task."""

    task_id: str
    attachment_id: int
    detached: bool
    """By the detach keys."""


class LaunchFailed(Exception):
    """The OCI runtime refused to start a task; the text is the runtime's own."""


class TaskSupervisor(Protocol):
    """The living supervisor, as the daemon sees it. A supervisor that died is replaced unseen."""

    def subscribe(
        self,
        *,
        on_exit: Callable[[TaskExit], None],
        on_attachment_end: Callable[[AttachmentEnd], None],
    ) -> None:
        """Name the receivers of exits and ended attachments; called on the event loop.

        An exit is repeated (after a restart of either side) until it is settled.
        """

    async def tasks(self) -> Sequence[TaskStatus]:
        """All tasks held, ended ones that were not settled included."""

    async def launch(
        self, spec: TaskSpec, *, rootfs: int | None = None, trees: Sequence[int] = ()
    ) -> int:
        """Start a task and return its pid.

        Args:
            spec: what to run.
            rootfs: descriptor of a detached root mount for `mount_target`; the caller closes it.
            trees: detached mounts for `mount_targets`; the caller closes them.

        Raises:
            LaunchFailed: the runtime's message. Attachments made before stay registered.
        """

    async def attach(self, task_id: str, connection: int, spec: AttachSpec) -> Attachment:
        """Join a stream socket to a task, started or not; the caller closes its descriptor."""

    async def release(self, attachment: Attachment) -> None:
        """Let held output of an attachment go."""

    async def resize(self, task_id: str, *, rows: int, columns: int) -> None:
        """Set the size of a task's terminal; without a terminal nothing happens."""

    async def signal(self, task_id: str, number: int) -> bool:
        """Signal a task's process through its pidfd; False when it has ended."""

    async def settle(self, task_id: str) -> None:
        """The exit is committed, or the task never starts: close its attachments, forget it."""
