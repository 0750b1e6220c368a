"""The supervisor as the daemon sees it; implements `model.task.TaskSupervisor`.

    connected ──end of connection──▶ (connect | spawn) ── adopt… hello, requests again ──▶ connected

A supervisor that died is replaced at once: the new one is given a socket pair at its start, so
what we kept of every task is in its queue before it has read its own program. Requests without
an answer are asked again; only a launch under way fails, for its runtime died halfway.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from wharfie import __version__
from wharfie.drivers.runtime.supervision import process
from wharfie.drivers.runtime.supervision.connection import Connection, SupervisorRefused
from wharfie.drivers.runtime.supervision.keeping import Keeping
from wharfie.drivers.runtime.supervision.watch import SupervisorWatch
from wharfie.kernel import mounts
from wharfie.kernel.descriptors import close_all
from wharfie.kernel.process import reap, set_child_subreaper
from wharfie.model.errors import Unavailable
from wharfie.model.task import (
    Attachment,
    AttachmentEnd,
    AttachSpec,
    LaunchFailed,
    TaskExit,
    TaskSpec,
    TaskStatus,
)
from wharfie.model.waits import Wait
from wharfie.supervisor import protocol
from wharfie.supervisor.protocol import Message

log = logging.getLogger(__name__)

LAUNCH_TRIES = 1000
LAUNCH_RETRY_SECONDS = 0.01
UPGRADE_TRIES = 200
UPGRADE_RETRY_SECONDS = 0.02
_RETRY_DELAYS = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_STABLE_SECONDS = 5.0


@dataclass(slots=True)
class _Pending:
    """A request without an answer yet.

    Attributes:
        fds: sent along; open until the answer.
        is_repeatable: asked again if the supervisor is replaced.
        on_answer: called with an answer that is no error, as it arrives: what it says is so
            whether or not anybody still waits for it. Takes over the descriptors.
        rows: what earlier parts of a long answer said.
    """

    message: Message
    fds: tuple[int, ...]
    is_repeatable: bool
    on_answer: Callable[[Message, list[int]], None]
    answer: asyncio.Future[Message]
    rows: list[Message] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)


class SupervisorClient:
    """The living supervisor of one exec-root."""

    def __init__(self, exec_root: str) -> None:
        self._exec_root = exec_root
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        self._child = 0
        self._keeping = Keeping()
        self._pending: dict[int, _Pending] = {}
        self._sequence = 0
        self._next_attachment = time.time_ns()
        self._failures = 0
        self._connected_at = 0.0
        self._is_closing = False
        self._ended = asyncio.Event()
        self._on_exit: Callable[[TaskExit], None] | None = None
        self._on_attachment_end: Callable[[AttachmentEnd], None] | None = None
        self._unseen: list[TaskExit] = []
        self._early_ends: dict[int, AttachmentEnd] = {}
        self._watch = SupervisorWatch(
            exec_root, self._loop, oldest=self._oldest_request, ping=self._ping
        )

    # --- the port

    def subscribe(
        self,
        *,
        on_exit: Callable[[TaskExit], None],
        on_attachment_end: Callable[[AttachmentEnd], None],
    ) -> None:
        """Source: `TaskSupervisor`."""
        self._on_exit = on_exit
        self._on_attachment_end = on_attachment_end
        unseen, self._unseen = self._unseen, []
        for task_exit in unseen:
            on_exit(task_exit)

    async def tasks(self) -> Sequence[TaskStatus]:
        """Source: `TaskSupervisor`."""
        answer = await self._ask({"type": "tasks"})
        rows: list[TaskStatus] = []
        for row in protocol.nested_list(answer, "tasks"):
            task_id = protocol.text(row, "id")
            exit_ = protocol.nested(row, "exit")
            task_exit = None if exit_ is None else _task_exit(task_id, exit_)
            rows.append(TaskStatus(task_id, protocol.number(row, "pid"), task_exit))
        return rows

    async def launch(
        self, spec: TaskSpec, *, rootfs: int | None = None, trees: Sequence[int] = ()
    ) -> int:
        """Source: `TaskSupervisor`."""
        message: Message = {"type": "launch", "spec": msgspec.to_builtins(spec)}
        try:
            state = await self._ask(
                message,
                tuple(trees) if rootfs is None else (rootfs, *trees),
                is_repeatable=False,
                on_answer=lambda state, fds: self._keeping.keep_task(spec.id, state, fds),
            )
        except ConnectionResetError:
            for target in (spec.mount_target, *spec.mount_targets):
                with suppress(OSError):  # the dead supervisor may have left it mounted
                    mounts.umount(target, mounts.MNT_DETACH)
            raise LaunchFailed("the supervisor died while the task was started") from None
        return protocol.number(state, "pid")

    async def attach(self, task_id: str, connection: int, spec: AttachSpec) -> Attachment:
        """Source: `TaskSupervisor`."""
        self._next_attachment += 1
        attachment_id = self._next_attachment
        settings: Message = {
            "stdin": spec.stdin,
            "stdout": spec.stdout,
            "stderr": spec.stderr,
            "framed": spec.framed,
            "hold": spec.hold,
            "detach_keys": protocol.encode_bytes(spec.detach_keys),
        }
        message: Message = {
            "type": "attach",
            "task": task_id,
            "id": attachment_id,
            "spec": settings,
            "head": protocol.encode_bytes(spec.head),
        }
        kept = os.dup(connection)

        def on_answer(_answer: Message, _fds: list[int]) -> None:
            self._keeping.keep_attachment(task_id, attachment_id, settings, kept)
            early = self._early_ends.pop(attachment_id, None)
            if early is not None:
                self._loop.call_soon(self._end_attachment, early)

        try:
            answer = await self._ask(message, (kept,), on_answer=on_answer)
        except SupervisorRefused:
            os.close(kept)
            raise
        return Attachment(attachment_id, protocol.number(answer, "log_size"))

    async def release(self, attachment: Attachment) -> None:
        """Source: `TaskSupervisor`."""
        task_id = self._keeping.task_of(attachment.id)
        if task_id is None:
            return  # the client left
        self._keeping.release_attachment(task_id, attachment.id)
        await self._ask({"type": "release", "task": task_id, "id": attachment.id})

    async def resize(self, task_id: str, *, rows: int, columns: int) -> None:
        """Source: `TaskSupervisor`."""
        await self._ask({"type": "resize", "task": task_id, "rows": rows, "columns": columns})

    async def signal(self, task_id: str, number: int) -> bool:
        """Source: `TaskSupervisor`."""
        answer = await self._ask({"type": "signal", "task": task_id, "number": number})
        return protocol.flag(answer, "alive")

    async def settle(self, task_id: str) -> None:
        """Source: `TaskSupervisor`."""
        await self._ask({"type": "settle", "task": task_id})
        self._keeping.drop_process(task_id)

    def waits(self) -> Sequence[Wait]:
        """Requests without an answer. See `model.waits.WaitSource`."""
        return [
            Wait("supervisor", _describe(pending.message), pending.since)
            for pending in list(self._pending.values())
        ]

    # --- its life

    async def open(self) -> None:
        """Connect to the running supervisor, or start one; learn what it holds."""
        os.makedirs(self._exec_root, mode=0o700, exist_ok=True)
        set_child_subreaper()
        self._reach()
        self._watch.start()
        answer = await self._ask({"type": "hello", "version": protocol.VERSION})
        for status in await self._tasks_at_rest():
            if status.exit is None:
                await self._describe(status.id)
        if answer.get("release") != __version__:
            await self._renew()

    async def _renew(self) -> None:
        """The supervisor is of another release than we: have it become ours, tasks and all."""
        try:
            await self.upgrade()
        except SupervisorRefused as error:
            log.warning("the supervisor stays at its old release: %s", error)
        else:
            log.info("the supervisor was upgraded in place to release %s", __version__)

    async def _tasks_at_rest(self) -> Sequence[TaskStatus]:
        """All tasks, once no launch that an earlier daemon asked for is under way.

        Nobody would be told how such a launch went; so it is waited for, not missed.

        Raises:
            Unavailable: an OCI runtime hangs.
        """
        for _ in range(LAUNCH_TRIES):
            statuses = await self.tasks()
            if all(status.pid or status.exit for status in statuses):
                return statuses
            await asyncio.sleep(LAUNCH_RETRY_SECONDS)
        raise Unavailable(
            "an OCI runtime that an earlier daemon started has hung: end it (crun or runc), "
            "then start the daemon again"
        )

    async def upgrade(self) -> None:
        """Have the supervisor replaced in place by the program installed now.

        Raises:
            SupervisorRefused: it could not; the old one goes on.
        """
        message: Message = {"type": "upgrade", "argv": process.command(self._exec_root)}
        for _ in range(UPGRADE_TRIES):
            try:
                await self._ask(message, is_repeatable=False)
            except ConnectionResetError:
                return  # the program broke; what replaced it is the one installed now
            except SupervisorRefused as error:
                if str(error) != "busy":
                    raise
                await asyncio.sleep(UPGRADE_RETRY_SECONDS)
            else:
                return
        raise SupervisorRefused("tasks are started and end all the time")

    async def shutdown(self, *, timeout: float = 5.0) -> bool:
        """Ask the supervisor to leave once no task is left, and hang up.

        Returns:
            Whether it has left; with tasks running it stays, and goes after the last.
        """
        answer = await self._ask({"type": "shutdown"})
        self._is_closing = True
        left = False
        if not protocol.number(answer, "tasks"):
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._ended.wait()
                    left = True
                    if self._child:
                        await asyncio.to_thread(os.waitpid, self._child, 0)
                        self._child = 0
        await self.close()
        return left

    async def close(self) -> None:
        """Hang up; the supervisor and all tasks go on."""
        self._is_closing = True
        self._watch.stop()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._keeping.close()
        for pending in self._pending.values():
            if not pending.answer.done():
                pending.answer.set_exception(Unavailable("the supervisor client was closed"))
        self._pending.clear()

    # --- requests

    async def _describe(self, task_id: str) -> None:
        with suppress(SupervisorRefused):  # it ended meanwhile
            await self._ask(
                {"type": "describe", "task": task_id},
                on_answer=lambda state, fds: self._keeping.keep_task(task_id, state, fds),
            )

    async def _ask(
        self,
        message: Message,
        fds: tuple[int, ...] = (),
        *,
        is_repeatable: bool = True,
        on_answer: Callable[[Message, list[int]], None] | None = None,
    ) -> Message:
        """Send a request and wait for its answer.

        Raises:
            SupervisorRefused, LaunchFailed: the answer was an error.
            ConnectionResetError: the supervisor was replaced, and the request not repeatable.
            Unavailable: this client was closed.
        """
        if self._is_closing:
            raise Unavailable("the supervisor client was closed")
        self._sequence += 1
        pending = _Pending(
            {**message, "seq": self._sequence},
            fds,
            is_repeatable,
            on_answer or _ignore,
            self._loop.create_future(),
        )
        self._pending[self._sequence] = pending
        self._send(pending)
        self._watch.hurry()
        return await pending.answer

    def _oldest_request(self) -> float | None:
        """When the request was asked that waits longest."""
        return min((pending.since for pending in self._pending.values()), default=None)

    def _ping(self) -> None:
        """Ask something that any supervisor answers at once, if only with a refusal."""
        if self._connection is not None:
            self._connection.send({"type": "ping", "seq": 0})

    def _send(self, pending: _Pending) -> None:
        if self._connection is not None:
            self._connection.send(pending.message, pending.fds)

    # --- what the supervisor says

    def _on_message(self, message: Message, fds: list[int]) -> None:
        self._watch.heard()
        if "re" in message:
            self._on_reply(message, fds)
            return
        close_all(fds)
        match message.get("type"):
            case "exit":
                self._take_exit(_task_exit(protocol.text(message, "task"), message))
            case "attachment_end":
                self._take_attachment_end(message)
            case "stdin_end":
                self._keeping.drop_input(protocol.text(message, "task"))
            case "reap":
                self._take_status(protocol.text(message, "task"))
            case _:
                pass  # a newer supervisor may tell more than we know of

    def _on_reply(self, message: Message, fds: list[int]) -> None:
        sequence = protocol.number(message, "re", -1)
        pending = self._pending.get(sequence)
        if pending is None:
            close_all(fds)
            return
        error = message.get("error")
        if error is None and protocol.flag(message, "more"):
            pending.rows += protocol.nested_list(message, "tasks")
            return
        del self._pending[sequence]
        if error is None:
            if pending.rows:
                message["tasks"] = pending.rows + protocol.nested_list(message, "tasks")
            pending.on_answer(message, fds)
        else:
            close_all(fds)
        if pending.answer.done():
            return
        if error is None:
            pending.answer.set_result(message)
        elif message.get("failed"):
            pending.answer.set_exception(LaunchFailed(str(error)))
        else:
            pending.answer.set_exception(SupervisorRefused(str(error)))

    def _take_exit(self, task_exit: TaskExit) -> None:
        self._keeping.drop_process(task_exit.id)
        if self._on_exit is None:
            self._unseen.append(task_exit)
        else:
            self._on_exit(task_exit)

    def _take_attachment_end(self, message: Message) -> None:
        end = AttachmentEnd(
            protocol.text(message, "task"),
            protocol.number(message, "id"),
            protocol.flag(message, "detached"),
        )
        if self._keeping.task_of(end.attachment_id) is None:
            self._early_ends[end.attachment_id] = end  # before the answer to `attach`
        else:
            self._end_attachment(end)

    def _end_attachment(self, end: AttachmentEnd) -> None:
        self._keeping.drop_attachment(end.task_id, end.attachment_id)
        if self._on_attachment_end is not None:
            self._on_attachment_end(end)

    def _take_status(self, task_id: str) -> None:
        """The supervisor is not the parent of this task; perhaps we are."""
        code: int | None = None
        pidfd = self._keeping.pidfd(task_id)
        if pidfd >= 0:
            with suppress(ChildProcessError):
                code = reap(pidfd)
        if self._connection is not None:
            self._connection.send({"type": "reaped", "task": task_id, "code": code})

    # --- its death and replacement

    def _on_end(self) -> None:
        self._connection = None
        self._ended.set()
        if self._is_closing:
            return
        self._reap_child()
        is_stable = self._loop.time() - self._connected_at > _STABLE_SECONDS
        self._failures = 0 if is_stable else self._failures + 1
        delay = _RETRY_DELAYS[min(self._failures, len(_RETRY_DELAYS) - 1)]
        log.warning("lost the supervisor of %s, replacing it", self._exec_root)
        if delay:
            self._loop.call_later(delay, self._replace)
        else:
            self._replace()

    def _replace(self) -> None:
        if self._is_closing:
            return
        try:
            self._reach()
        except OSError:
            log.exception("cannot start a supervisor")
            self._failures += 1
            self._loop.call_later(_RETRY_DELAYS[-1], self._replace)
            return
        connection = self._connection
        assert connection is not None
        for message, fds in self._keeping.adoptions():
            connection.send(message, fds)
        connection.send({"type": "hello", "version": protocol.VERSION})
        for sequence, pending in list(self._pending.items()):
            if pending.is_repeatable:
                self._send(pending)
                continue
            del self._pending[sequence]
            if not pending.answer.done():
                pending.answer.set_exception(ConnectionResetError("the supervisor died"))

    def _reach(self) -> None:
        """Connect to the supervisor, or start one; requests may be sent at once."""
        connection = process.connect(self._exec_root)
        if connection is None:
            self._child, connection = process.spawn(self._exec_root)
        self._connected_at = self._loop.time()
        self._ended.clear()
        self._connection = Connection(connection, self._on_message, self._on_end)

    def _reap_child(self) -> bool:
        """Take the status of a supervisor that was our child; False while it runs."""
        child = self._child
        if not child:
            return True
        try:
            pid, _ = os.waitpid(child, os.WNOHANG)
        except ChildProcessError:
            pid = child  # somebody took it
        if pid:
            self._child = 0
            return True
        self._loop.call_later(0.05, self._reap_again, child)
        return False

    def _reap_again(self, child: int) -> None:
        with suppress(ChildProcessError):
            os.waitpid(child, os.WNOHANG)
        if self._child == child:
            self._child = 0


async def open_supervisor(exec_root: str) -> SupervisorClient:
    """Connect to the supervisor of an exec-root, starting it if there is none.

    The calling process becomes a subreaper, so that it inherits containers (and their exit
    statuses) should the supervisor it started die.
    """
    client = SupervisorClient(exec_root)
    await client.open()
    return client


def _describe(message: Message) -> str:
    spec = message.get("spec")
    task = message.get("task") or (spec.get("id") if isinstance(spec, dict) else "") or ""
    return f"{message.get('type')} {str(task)[:12]}".strip()


def _ignore(_message: Message, fds: list[int]) -> None:
    close_all(fds)


def _task_exit(task_id: str, message: Message) -> TaskExit:
    return TaskExit(task_id, protocol.number(message, "code"), protocol.number(message, "at"))
