"""A `TaskSupervisor` just large enough to try the runtime driver on a real kernel.

It runs one launch after the other in a helper process with its own mount namespace, writes the
output of every task to a file, and knows no attach, no logs and no recovery.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence

from wharfie.model.task import (
    Attachment,
    AttachmentEnd,
    AttachSpec,
    LaunchFailed,
    TaskExit,
    TaskSpec,
    TaskStatus,
)


class SmallSupervisor:
    """Starts tasks; `output` and `wait` are for tests."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        os.makedirs(directory, exist_ok=True)
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        script = os.path.join(os.path.dirname(__file__), "small_supervisor_host.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", script, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self._channel.settimeout(30)
        self._pids: dict[str, int] = {}
        self.specs: list[TaskSpec] = []

    def close(self) -> None:
        """Kill what was left running and end the helper."""
        for pid in self._pids.values():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self._channel.close()
        self._process.wait(timeout=10)

    def _ask(self, request: dict[str, object], fds: Sequence[int] = ()) -> dict[str, object]:
        socket.send_fds(self._channel, [json.dumps(request).encode()], list(fds))
        return json.loads(self._channel.recv(1 << 20))

    def output(self, task_id: str) -> str:
        """What a task wrote so far, both streams."""
        try:
            with open(self._output(task_id)) as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def _output(self, task_id: str) -> str:
        return os.path.join(self._directory, task_id)

    async def wait(self, task_id: str, timeout: float = 20.0) -> int:
        """Exit code of a task, negative for a signal."""
        request = {"do": "wait", "pid": self._pids[task_id], "timeout": timeout}
        reply = await asyncio.to_thread(self._ask, request)
        assert "code" in reply, reply
        del self._pids[task_id]
        return int(str(reply["code"]))

    def subscribe(
        self,
        *,
        on_exit: Callable[[TaskExit], None],
        on_attachment_end: Callable[[AttachmentEnd], None],
    ) -> None:
        raise NotImplementedError

    async def tasks(self) -> Sequence[TaskStatus]:
        return [TaskStatus(name, pid) for name, pid in self._pids.items()]

    async def launch(
        self, spec: TaskSpec, *, rootfs: int | None = None, trees: Sequence[int] = ()
    ) -> int:
        self.specs.append(spec)
        request: dict[str, object] = {
            "do": "launch",
            "argv": spec.argv,
            "environment": spec.environment,
            "pid_file": spec.pid_file,
            "error_log": spec.error_log,
            "console_socket": spec.console_socket,
            "mount_targets": [spec.mount_target, *spec.mount_targets],
            "output": self._output(spec.id),
        }
        fds = [] if rootfs is None else [rootfs, *trees]
        reply = await asyncio.to_thread(self._ask, request, fds)
        if "failed" in reply:
            raise LaunchFailed(str(reply["failed"]))
        self._pids[spec.id] = int(str(reply["pid"]))
        return self._pids[spec.id]

    async def attach(self, task_id: str, connection: int, spec: AttachSpec) -> Attachment:
        raise NotImplementedError

    async def release(self, attachment: Attachment) -> None:
        raise NotImplementedError

    async def resize(self, task_id: str, *, rows: int, columns: int) -> None:
        raise NotImplementedError

    async def signal(self, task_id: str, number: int) -> bool:
        os.kill(self._pids[task_id], number)
        return True

    async def settle(self, task_id: str) -> None:
        self._pids.pop(task_id, None)
