"""What the daemon keeps for the case that the supervisor dies: duplicates of every descriptor."""

from __future__ import annotations

from collections.abc import Iterator

from wharfie.kernel.descriptors import close_all
from wharfie.supervisor import protocol
from wharfie.supervisor.protocol import Message


class KeptTask:
    """One task's state as `adopt` wants it, and its descriptors by name."""

    __slots__ = ("attachments", "fds", "state")

    def __init__(self) -> None:
        self.state: Message = {}
        self.fds: dict[str, int] = {}
        self.attachments: dict[int, Message] = {}


class Keeping:
    """Descriptors and states of all tasks of one supervisor."""

    def __init__(self) -> None:
        self._tasks: dict[str, KeptTask] = {}

    def keep_task(self, task_id: str, state: Message, fds: list[int]) -> None:
        """Keep what a reply described; takes over the descriptors."""
        kept = self._tasks.setdefault(task_id, KeptTask())
        named = dict(zip(protocol.texts(state, "fds"), fds, strict=True))
        for attachment in protocol.nested_list(state, "attachments"):
            attachment_id = protocol.number(attachment, "id")
            name = _connection(attachment_id)
            if name in kept.fds:
                close_all([named.pop(name, -1)])
            kept.attachments.setdefault(attachment_id, attachment)
        kept.fds.update(named)
        kept.state = state

    def keep_attachment(self, task_id: str, attachment_id: int, spec: Message, fd: int) -> None:
        """Keep a client's connection; takes over the descriptor."""
        kept = self._tasks.setdefault(task_id, KeptTask())
        kept.attachments[attachment_id] = {"id": attachment_id, "spec": spec}
        kept.fds[_connection(attachment_id)] = fd

    def connection(self, task_id: str, attachment_id: int) -> int:
        """The descriptor kept of a client's connection."""
        return self._tasks[task_id].fds[_connection(attachment_id)]

    def task_of(self, attachment_id: int) -> str | None:
        """Whose attachment it is; None when it ended."""
        for task_id, kept in self._tasks.items():
            if attachment_id in kept.attachments:
                return task_id
        return None

    def pidfd(self, task_id: str) -> int:
        """The descriptor kept of a task's process, -1 for none."""
        kept = self._tasks.get(task_id)
        return -1 if kept is None else kept.fds.get("pidfd", -1)

    def release_attachment(self, task_id: str, attachment_id: int) -> None:
        """Held output went: it will not be held again."""
        kept = self._tasks.get(task_id)
        if kept is not None and attachment_id in kept.attachments:
            attachment = kept.attachments[attachment_id]
            spec = protocol.nested(attachment, "spec") or {}
            kept.attachments[attachment_id] = {**attachment, "spec": {**spec, "hold": False}}

    def drop_attachment(self, task_id: str, attachment_id: int) -> None:
        """The client is gone."""
        kept = self._tasks.get(task_id)
        if kept is not None:
            kept.attachments.pop(attachment_id, None)
            close_all([kept.fds.pop(_connection(attachment_id), -1)])
            self._forget_empty(task_id, kept)

    def drop_input(self, task_id: str) -> None:
        """The task's input was closed: our duplicate would keep it open."""
        kept = self._tasks.get(task_id)
        if kept is not None:
            close_all([kept.fds.pop("stdin", -1)])

    def drop_process(self, task_id: str) -> None:
        """The task has ended; its clients are still owed the end of their streams."""
        kept = self._tasks.get(task_id)
        if kept is not None:
            kept.state = {}
            for name in [name for name in kept.fds if not name.startswith("connection:")]:
                close_all([kept.fds.pop(name)])
            self._forget_empty(task_id, kept)

    def adoptions(self) -> Iterator[tuple[Message, list[int]]]:
        """One `adopt` a task: message and descriptors, which stay ours."""
        for task_id, kept in self._tasks.items():
            message: Message = {
                **kept.state,
                "type": "adopt",
                "task": task_id,
                "attachments": list(kept.attachments.values()),
                "fds": list(kept.fds),
            }
            yield message, list(kept.fds.values())

    def close(self) -> None:
        """Close all duplicates; what the supervisor holds goes on."""
        for kept in self._tasks.values():
            close_all(kept.fds.values())
        self._tasks.clear()

    def _forget_empty(self, task_id: str, kept: KeptTask) -> None:
        if not kept.fds and not kept.state:
            del self._tasks[task_id]


def _connection(attachment_id: int) -> str:
    return f"connection:{attachment_id}"
