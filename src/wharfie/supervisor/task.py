"""One task: its streams, its log, its clients, and its end.

    known ──launch──▶ running ──pidfd──▶ draining ──▶ ended ──settle──▶ forgotten
      ▲─────failed──────┘

The end, in this order: exit status taken, output drained and logged, exit record on disk, exit
told, settled by the daemon, clients closed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from wharfie.kernel.descriptors import set_terminal_size
from wharfie.kernel.process import send_signal
from wharfie.supervisor.client import Client
from wharfie.supervisor.logs.tasklog import TaskLog
from wharfie.supervisor.loop import READ, Loop, Timer
from wharfie.supervisor.processes.exits import ExitRecord
from wharfie.supervisor.processes.reaper import Reaper
from wharfie.supervisor.streams.attach import HEADER, HEADER_SIZE, STDERR, STDOUT
from wharfie.supervisor.streams.stdio import Input, Output

DRAIN_SECONDS = 2.0
DRAIN_LIMIT = 30.0
LOG_LIMIT = 10.0
REST_LIMIT = 4 << 20


class Task:
    """A process and everything attached to it; a `client.Host`.

    Attributes:
        head: input that came before the task was started.
        is_child: false once another supervisor started it; then others may know its status.
        exit: set when output is drained and logged.
    """

    __slots__ = (
        "_deadline", "_drain_started", "_ending", "_listeners", "_loop", "_on_client_end",
        "_on_exit", "_on_input_closed", "_reaper", "_record", "_size", "clients", "exit", "head",
        "id", "is_child", "is_frozen", "is_launching", "log", "outputs", "pid", "pidfd", "stdin",
        "stdin_once", "terminal",
    )  # fmt: skip

    def __init__(
        self,
        loop: Loop,
        reaper: Reaper,
        task_id: str,
        *,
        on_exit: Callable[[Task], None],
        on_input_closed: Callable[[Task], None],
        on_client_end: Callable[[Task, Client, bool], None],
    ) -> None:
        self._loop = loop
        self._reaper = reaper
        self._on_exit = on_exit
        self._on_input_closed = on_input_closed
        self._on_client_end = on_client_end
        self._listeners: dict[int, list[Client]] = {STDOUT: [], STDERR: []}
        self._deadline: Timer | None = None
        self._drain_started = 0.0
        self._ending = False
        self._record: ExitRecord | None = None
        self._size = (0, 0)
        self.id = task_id
        self.pid = 0
        self.pidfd = -1
        self.stdin: Input | None = None
        self.stdin_once = False
        self.terminal = -1
        self.outputs: list[Output] = []
        self.clients: dict[int, Client] = {}
        self.log: TaskLog | None = None
        self.head = b""
        self.exit: ExitRecord | None = None
        self.is_child = True
        self.is_launching = False
        self.is_frozen = False

    @property
    def is_running(self) -> bool:
        """Started and not ended; still draining counts."""
        return self.pid > 0 and self.exit is None

    @property
    def is_draining(self) -> bool:
        """The process is gone, its end not yet told."""
        return self._ending and self.exit is None

    # --- start

    def set_streams(
        self, *, stdin: int = -1, stdout: int = -1, stderr: int = -1, terminal: int = -1
    ) -> None:
        """Take over the descriptors of the task's streams; -1 for none."""
        if terminal >= 0:
            self.terminal = terminal
            self.outputs = [self._output(terminal, STDOUT)]
            self.stdin = self._input(os.dup(terminal), is_terminal=True)
            self._apply_size()
            return
        if stdin >= 0:
            self.stdin = self._input(stdin, is_terminal=False)
        for fd, stream in ((stdout, STDOUT), (stderr, STDERR)):
            if fd >= 0:
                self.outputs.append(self._output(fd, stream))

    def run(self, pid: int, pidfd: int) -> None:
        """The process exists: watch it, let its streams flow.

        Args:
            pid: its number, for people.
            pidfd: its descriptor, -1 when it is gone already and its status lost.
        """
        self.pid = pid
        self.pidfd = pidfd
        self.is_launching = False
        if self.stdin is not None and self.head:
            self.stdin.write(self.head)
        self.head = b""
        for output in self.outputs:
            output.resume()
        self._resume_input()
        if pidfd >= 0:
            self._loop.watch(pidfd, READ, self._on_process_end)
        else:  # after the answer to the launch
            self._loop.post(lambda: self._on_status(-1))

    def _output(self, fd: int, stream: int) -> Output:
        return Output(self._loop, fd, stream, self._on_output, self._on_output_end)

    def _input(self, fd: int, *, is_terminal: bool) -> Input:
        return Input(
            self._loop,
            fd,
            self._resume_input,
            lambda: self._on_input_closed(self),
            is_terminal=is_terminal,
        )

    # --- clients

    def add_client(self, client: Client, head: bytes) -> None:
        """Join a client; `head` is input that came with its request."""
        self.clients[client.id] = client
        self._listen()
        if head:
            passed, detached = client.state.input(head)
            if passed:
                self.on_input(passed)
            if detached:
                client.close(detached=True)

    def accepts_input(self) -> bool:
        """Source: `client.Host`."""
        if self.is_frozen:
            return False
        if self.exit is not None or (self.pid and self.stdin is None):
            return True  # read, to be thrown away
        return self.pid > 0 and self.stdin is not None and self.stdin.is_ready

    def on_input(self, data: bytes) -> None:
        """Source: `client.Host`."""
        if not self.pid:
            self.head += data
        elif self.stdin is not None:
            was_ready = self.stdin.is_ready
            self.stdin.write(data)
            if was_ready and not self.stdin.is_ready:
                self._update_clients()

    def on_input_end(self, client: Client) -> None:
        """Source: `client.Host`."""
        if self.stdin_once and self.stdin is not None and not self.stdin.is_terminal:
            self.stdin.end()
        elif not client.state.settings.stdout and not client.state.settings.stderr:
            client.close()

    def on_room(self) -> None:
        """Source: `client.Host`."""
        self._update_outputs()

    def on_client_end(self, client: Client, *, detached: bool) -> None:
        """Source: `client.Host`."""
        if self.clients.pop(client.id, None) is not None:
            self._listen()
            self._on_client_end(self, client, detached)
            self._update_outputs()

    def finish_clients(self) -> None:
        """Close every client once it got everything."""
        for client in list(self.clients.values()):
            client.finish()

    def _listen(self) -> None:
        for stream in (STDOUT, STDERR):
            self._listeners[stream] = [c for c in self.clients.values() if c.state.wants(stream)]

    def _resume_input(self) -> None:
        for client in list(self.clients.values()):
            client.resume_input()

    def _update_clients(self) -> None:
        for client in self.clients.values():
            client.update_interest()

    # --- output

    def _on_output(self, output: Output, view: memoryview, count: int) -> None:
        stream = output.stream
        end = HEADER_SIZE + count
        if self.log is not None:
            self.log.feed(stream, bytes(view[HEADER_SIZE:end]))
        listeners = self._listeners[stream]
        if listeners:
            HEADER.pack_into(view, 0, stream, count)
            for client in listeners:
                framed = client.state.settings.framed
                client.send(view[:end] if framed else view[HEADER_SIZE:end])
        if self._is_congested():
            self._update_outputs()

    def _on_output_end(self, output: Output) -> None:
        self.outputs.remove(output)
        if self.log is not None:
            self.log.end(output.stream)
        self.terminal = -1
        if self._ending and not self.outputs:
            self._on_drained()

    def _is_congested(self) -> bool:
        if self.is_frozen or (self.log is not None and self.log.is_congested):
            return True
        # What an ended process left in its pipes is bounded, and clients are owed it.
        return not self._ending and any(c.state.is_full for c in self.clients.values())

    def _update_outputs(self) -> None:
        if not self.pid:
            return
        congested = self._is_congested()
        for output in self.outputs:
            if congested:
                output.pause()
            else:
                output.resume()

    def on_log_room(self) -> None:
        """The disk has caught up."""
        self._update_outputs()

    # --- commands

    def resize(self, rows: int, columns: int) -> None:
        """Set the terminal's size, now or when there is one."""
        self._size = (rows, columns)
        self._apply_size()

    def signal(self, number: int) -> bool:
        """Signal the process; False when it has ended or not started."""
        return self.pidfd >= 0 and send_signal(self.pidfd, number)

    def freeze(self) -> None:
        """Take nothing from anybody, ahead of an upgrade."""
        self.is_frozen = True
        self._update_outputs()
        self._update_clients()
        if self.stdin is not None:
            self.stdin.pause()

    def thaw(self) -> None:
        """Go on after a freeze."""
        self.is_frozen = False
        self._update_outputs()
        if self.stdin is not None:
            self.stdin.resume()
        self._resume_input()

    def _apply_size(self) -> None:
        if self.terminal >= 0 and self._size != (0, 0):
            set_terminal_size(self.terminal, *self._size)

    # --- end

    def _on_process_end(self, _events: int) -> None:
        self._loop.forget(self.pidfd)
        self._reaper.take_status(self.id, self.pidfd, self._on_status, is_child=self.is_child)

    def _on_status(self, code: int) -> None:
        self._record = ExitRecord(code, time.time_ns())
        self._ending = True
        self._drain_started = time.monotonic()
        if self.stdin is not None:
            self.stdin.close()
        if not self.outputs:
            self._on_drained()
            return
        self._update_outputs()
        self._deadline = self._loop.call_later(DRAIN_SECONDS, self._on_drain_deadline)

    def _on_drain_deadline(self) -> None:
        """Somebody else holds the pipes, or the disk is slow: take what is there and go on."""
        is_late = time.monotonic() - self._drain_started > DRAIN_LIMIT
        log = self.log
        if log is not None and log.is_congested and not (is_late or log.is_hopeless):
            self._deadline = self._loop.call_later(DRAIN_SECONDS, self._on_drain_deadline)
            return
        for output in list(self.outputs):
            output.read_rest(REST_LIMIT)
            if output in self.outputs:
                output.close()
                self._on_output_end(output)

    def _on_drained(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self.log is None:
            self._end()
            return
        self._deadline = self._loop.call_later(LOG_LIMIT, self._end)
        self.log.drain(self._end)

    def _end(self) -> None:
        if self.exit is not None or self._record is None:
            return
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.exit = self._record
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
        if self.log is not None:
            self.log.close()
        self._resume_input()
        self._on_exit(self)
