"""All tasks of one exec-root: how they come, end and go."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

from wharfie.supervisor import protocol
from wharfie.supervisor.client import Client
from wharfie.supervisor.diagnostics import Diagnostics
from wharfie.supervisor.logs.settings import LogSettings
from wharfie.supervisor.logs.tasklog import FileLog, Target, TaskLog
from wharfie.supervisor.loop import Loop
from wharfie.supervisor.processes.cover import UnifiedCover
from wharfie.supervisor.processes.exits import ExitRecord, ExitRecords
from wharfie.supervisor.processes.launch import Launch, LaunchSpec
from wharfie.supervisor.processes.reaper import Reaper
from wharfie.supervisor.processes.runtime_copy import RuntimeCopies
from wharfie.supervisor.protocol import Message
from wharfie.supervisor.server import Session
from wharfie.supervisor.streams.writers import Writers
from wharfie.supervisor.task import Task

UNSETTLED_SECONDS = 10.0
"""How long clients of an ended task wait for a daemon that could tell them the exit code."""
VANISHED_SECONDS = 5.0

_TASK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


class Sending(Protocol):
    """Logs that are sent away; see `logs.sending.senders`."""

    @property
    def count(self) -> int:
        """Logs of ended tasks that still have something to send."""

    def target(self, settings: LogSettings, on_room: Callable[[], None]) -> Target:
        """Where a log's output goes; ProtocolError for settings that cannot be."""


class Supervisor:
    """The tasks, the connected daemons, and what concerns them all.

    Attributes:
        launches: launches under way, by task.
        is_shutting_down: leave as soon as no task needs us.
    """

    def __init__(
        self, loop: Loop, exec_root: str, diagnostics: Diagnostics, cover: UnifiedCover
    ) -> None:
        self.loop = loop
        self.exec_root = exec_root
        self.diagnostics = diagnostics
        self.tasks: dict[str, Task] = {}
        self.sessions: list[Session] = []
        self._cover = cover
        self.launches: dict[str, Launch] = {}
        self.is_shutting_down = False
        self.reaper = Reaper(loop, ask=self._ask_to_reap, is_ours=self._is_ours)
        self._writers = Writers(loop)
        self._senders: Sending | None = None
        self._copies = RuntimeCopies()
        self._exits = ExitRecords(exec_root)
        self._root_inode = os.stat(exec_root).st_ino
        for task_id, record in self._exits.load().items():
            self.task(task_id).exit = record
        loop.call_later(VANISHED_SECONDS, self._check_exec_root)

    # --- tasks

    def task(self, task_id: str) -> Task:
        """The task of this ID, made known if it was not."""
        task = self.tasks.get(task_id)
        if task is None:
            if not _TASK_ID.fullmatch(task_id):
                raise protocol.ProtocolError(f"task: {task_id!r} is no ID")
            task = self.tasks[task_id] = Task(
                self.loop,
                self.reaper,
                task_id,
                on_exit=self._on_exit,
                on_input_closed=self._on_input_closed,
                on_client_end=self._on_client_end,
            )
        return task

    def open_log(self, task: Task, settings: Message | None) -> None:
        """Give a task its log, if it is to have one."""
        if settings is None:
            return
        log = LogSettings(settings)
        if log.driver == "none":
            return
        file = target = None
        if log.path:
            file = FileLog(log, self._writers, self.diagnostics, task.on_log_room)
        if log.is_sent:
            target = self._sending().target(log, task.on_log_room)
        task.log = TaskLog(log, file, target, self.diagnostics)

    def _sending(self) -> Sending:
        """What few need is loaded when it is needed."""
        if self._senders is None:
            from wharfie.supervisor.logs.sending.senders import Senders  # noqa: PLC0415

            self._senders = Senders(self.loop, self.diagnostics, on_finished=self.leave_if_done)
        return self._senders

    def launch(
        self, spec: LaunchSpec, rootfs: int, trees: Sequence[int], done: Callable[[str], None]
    ) -> None:
        """Start a task; takes over `rootfs` and `trees`. `done` gets the error text, or ""."""
        task = self.task(spec.task_id)
        task.is_launching = True
        task.stdin_once = spec.stdin_once
        if spec.terminal_size != (0, 0):
            task.resize(*spec.terminal_size)

        def on_done(error: str) -> None:
            del self.launches[spec.task_id]
            done(error)
            # Strays that ended meanwhile were left alone. A failed exec leaves one in the
            # container's pid namespace, whose init cannot end before it is reaped.
            self.on_child_signal()

        launch = Launch(
            self.loop, self._copies, task, spec, rootfs=rootfs, trees=trees, done=on_done
        )
        self.launches[spec.task_id] = launch
        if spec.mount_target:
            self._cover.note(spec.task_id, os.path.dirname(spec.mount_target))
        launch.start()

    def settle(self, task: Task) -> None:
        """The daemon knows the end of a task, or it never starts: forget it."""
        self._exits.remove(task.id)
        self.tasks.pop(task.id, None)
        self._cover.forget(task.id)
        task.finish_clients()
        self.leave_if_done()

    # --- daemons

    def accept(
        self,
        connection: socket.socket,
        on_message: Callable[[Session, Message, list[int]], None],
    ) -> Session:
        """A daemon connected."""
        session = Session(self.loop, connection, on_message, self._on_session_end)
        self.sessions.append(session)
        return session

    def greet(self, session: Session) -> None:
        """Tell a daemon what it does not know yet."""
        session.is_greeted = True
        for task in self.tasks.values():
            if task.exit is not None:
                session.send(_exit_message(task.id, task.exit))

    def broadcast(self, message: Message) -> bool:
        """Tell all daemons; False when there is none."""
        greeted = [session for session in self.sessions if session.is_greeted]
        for session in greeted:
            session.send(message)
        return bool(greeted)

    def leave_if_done(self) -> None:
        """Stop the loop after a shutdown, once nothing depends on us."""
        if self.is_shutting_down and not self.count_alive():
            self.loop.stop()

    def count_alive(self) -> int:
        """Tasks that run or are being started."""
        sending = self._senders.count if self._senders is not None else 0
        tasks = sum(task.is_running for task in self.tasks.values())
        return len(self.launches) + tasks + sending

    # --- what happens

    def on_child_signal(self) -> None:
        """Some child ended; while launches are under way it may be one of theirs."""
        if not self.launches:
            self.reaper.reap_strays()

    def _on_exit(self, task: Task) -> None:
        record = task.exit
        assert record is not None
        try:
            self._exits.write(task.id, record)
        except OSError as error:
            self.diagnostics.write(f"exit record of {task.id}: {error}")
        if not self.broadcast(_exit_message(task.id, record)):
            self.loop.call_later(UNSETTLED_SECONDS, self._release_unsettled)
        self.leave_if_done()

    def _on_input_closed(self, task: Task) -> None:
        self.broadcast({"type": "stdin_end", "task": task.id})

    def _on_client_end(self, task: Task, client: Client, detached: bool) -> None:
        self.broadcast(
            {"type": "attachment_end", "task": task.id, "id": client.id, "detached": detached}
        )

    def _on_session_end(self, session: Session) -> None:
        self.sessions.remove(session)
        if not self.sessions:
            self.loop.call_later(UNSETTLED_SECONDS, self._release_unsettled)

    def _release_unsettled(self) -> None:
        """No daemon came to settle: do not keep clients of ended tasks waiting."""
        if any(session.is_greeted for session in self.sessions):
            return
        for task in self.tasks.values():
            if task.exit is not None:
                task.finish_clients()

    def _ask_to_reap(self, task_id: str) -> bool:
        return self.broadcast({"type": "reap", "task": task_id})

    def _is_ours(self, pid: int) -> bool:
        return any(launch.runtime_pid == pid for launch in self.launches.values()) or any(
            task.pid == pid and task.exit is None for task in self.tasks.values()
        )

    def _check_exec_root(self) -> None:
        """Without its exec-root nobody can reach the supervisor, nor needs it once idle."""
        try:
            is_there = os.stat(self.exec_root).st_ino == self._root_inode
        except FileNotFoundError:
            is_there = False
        if not is_there and not self.count_alive():
            self.loop.stop()
            return
        self.loop.call_later(VANISHED_SECONDS, self._check_exec_root)


def _exit_message(task_id: str, record: ExitRecord) -> Message:
    return {"type": "exit", "task": task_id, "code": record.code, "at": record.at}
