"""Upgrading in place: the new program is executed over the old and inherits its descriptors.

The process stays, so it remains the parent of every container and keeps its connections; the
daemon sees nothing but the answer to its request, which the new program gives. Should that fail
to start, the daemon hands over its duplicates as after any crash.

The state is a memory file: {"tasks": [TaskState with "numbers" by name], "sessions": [{fd,
greeted}], "reply": {session, seq}}.
"""

from __future__ import annotations

import os
import socket

import orjson

from wharfie.supervisor import protocol
from wharfie.supervisor.loop import Timer
from wharfie.supervisor.protocol import Message
from wharfie.supervisor.server import Session
from wharfie.supervisor.service import Supervisor
from wharfie.supervisor.upgrades import handover

FLUSH_SECONDS = 5.0


class Upgrade:
    """One attempt: freeze everything, let the logs reach the disk, execute the new program."""

    def __init__(self, supervisor: Supervisor, session: Session, request: Message) -> None:
        self._supervisor = supervisor
        self._session = session
        self._request = request
        self._unwritten = 0
        self._deadline: Timer | None = None

    def start(self) -> None:
        """Begin; refused while a task is just starting or ending, to be asked again."""
        supervisor = self._supervisor
        tasks = supervisor.tasks.values()
        if supervisor.launches or any(task.is_draining or task.is_frozen for task in tasks):
            self._session.refuse(self._request, "busy", busy=True)
            return
        argv = protocol.texts(self._request, "argv")
        if not argv:
            raise protocol.ProtocolError("argv: empty")
        logs = []
        for task in tasks:
            task.freeze()
            if task.log is not None:
                logs.append(task.log)
        self._deadline = supervisor.loop.call_later(FLUSH_SECONDS, lambda: self._give_up("log"))
        self._unwritten = len(logs) + 1
        for log in logs:
            log.drain(self._on_written)
        self._on_written()

    def _on_written(self) -> None:
        self._unwritten -= 1
        if self._unwritten or self._deadline is None or self._deadline.call is None:
            return
        self._deadline.cancel()
        if any(task.is_draining for task in self._supervisor.tasks.values()):
            self._give_up("busy")
            return
        try:
            self._execute()
        except OSError as error:
            self._give_up(str(error))

    def _give_up(self, reason: str) -> None:
        for task in self._supervisor.tasks.values():
            task.thaw()
        self._session.refuse(self._request, reason, busy=reason == "busy")

    def _execute(self) -> None:
        """Does not return when it succeeds."""
        inherited: list[int] = []
        state = self._state(inherited)
        file = os.memfd_create("supervisor-state", 0)
        try:
            with open(file, "wb", closefd=False) as out:
                out.write(orjson.dumps(state))
            os.lseek(file, 0, os.SEEK_SET)
            for fd in inherited:
                os.set_inheritable(fd, True)
            argv = [*protocol.texts(self._request, "argv"), "--state", str(file)]
            os.execv(argv[0], argv)  # noqa: S606 - replacing this program is the point
        finally:
            os.close(file)
            for fd in inherited:
                os.set_inheritable(fd, False)

    def _state(self, inherited: list[int]) -> Message:
        tasks: list[Message] = []
        for task in self._supervisor.tasks.values():
            state, fds = handover.describe_fully(task)
            state["numbers"] = fds
            inherited.extend(fds)
            tasks.append(state)
        sessions: list[Message] = []
        for session in self._supervisor.sessions:
            inherited.append(session.fd)
            sessions.append({"fd": session.fd, "greeted": session.is_greeted})
        return {
            "tasks": tasks,
            "sessions": sessions,
            "reply": {"fd": self._session.fd, "seq": self._request.get("seq")},
        }


def read_state(file: int) -> Message:
    """What the replaced program left; closes the file."""
    with open(file, "rb") as state:
        return protocol.decode(state.read())


def adopt_tasks(supervisor: Supervisor, state: Message) -> None:
    """Take over all tasks; a bad one costs that one only."""
    for task in protocol.nested_list(state, "tasks"):
        named = dict(
            zip(protocol.texts(task, "fds"), protocol.numbers(task, "numbers"), strict=True)
        )
        for fd in named.values():
            os.set_inheritable(fd, False)
        try:
            handover.adopt(supervisor, task, named)
        except (protocol.ProtocolError, OSError) as error:
            supervisor.diagnostics.write(f"adopt {task.get('task')}: {error}")


def adopt_sessions(state: Message) -> list[tuple[socket.socket, bool]]:
    """The inherited connections, and whether each had said hello."""
    found: list[tuple[socket.socket, bool]] = []
    for session in protocol.nested_list(state, "sessions"):
        fd = protocol.number(session, "fd")
        os.set_inheritable(fd, False)
        found.append((socket.socket(fileno=fd), protocol.flag(session, "greeted")))
    return found
