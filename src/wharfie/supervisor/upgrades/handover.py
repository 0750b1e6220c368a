"""Tasks as messages: described for a daemon's keeping, adopted from what was kept.

One form serves a crash (the daemon hands over the duplicates it holds) and an upgrade (which
adds what only a living supervisor knows: unfinished lines, unsent output, input under way).
"""

from __future__ import annotations

from wharfie.kernel.descriptors import MAX_DESCRIPTORS, close_all
from wharfie.supervisor import protocol
from wharfie.supervisor.client import Client
from wharfie.supervisor.protocol import Message
from wharfie.supervisor.service import Supervisor
from wharfie.supervisor.streams.attach import AttachSettings
from wharfie.supervisor.task import Task


def describe(task: Task) -> tuple[Message, list[int]]:
    """A task's state, and the descriptors its "fds" names; they stay the task's."""
    held = _descriptors(task)
    attachments: list[Message] = []
    for client in task.clients.values():
        if len(held) < MAX_DESCRIPTORS:
            held[f"connection:{client.id}"] = client.fd
            spec = client.state.settings.to_message()
            attachments.append({"id": client.id, "spec": {**spec, "hold": client.state.held}})
    state: Message = {
        "task": task.id,
        "pid": task.pid,
        "terminal": task.terminal >= 0,
        "stdin_once": task.stdin_once,
        "log": None if task.log is None else task.log.settings.to_message(),
        "attachments": attachments,
        "fds": list(held),
    }
    return state, list(held.values())


def describe_fully(task: Task) -> tuple[Message, list[int]]:
    """A frozen task's state with everything under way, for the program that replaces this."""
    state, fds = describe(task)
    state["is_child"] = task.is_child
    if task.log is not None:
        state["partial"] = {
            str(stream): protocol.encode_bytes(task.log.pending(stream)) for stream in (1, 2)
        }
        state["unsent"] = [
            {"stream": stream, "at": at, "data": protocol.encode_bytes(data)}
            for stream, at, data in task.log.unsent()
        ]
    pending = bytes(task.stdin.pending) if task.stdin is not None else task.head
    state["input"] = protocol.encode_bytes(pending)
    for attachment in protocol.nested_list(state, "attachments"):
        client = task.clients[protocol.number(attachment, "id")]
        attachment["unsent"] = protocol.encode_bytes(bytes(client.state.unsent))
        attachment["input_ended"] = client.state.input_ended
    return state, fds


def adopt(supervisor: Supervisor, state: Message, fds: dict[str, int]) -> None:
    """Take over a task; `fds` by name, all taken over. A task that is known stays as it is."""
    try:
        task = supervisor.task(protocol.text(state, "task"))
        _adopt_clients(supervisor, task, state, fds)
        if task.pid == 0 and task.exit is None and "pidfd" in fds:
            _adopt_process(supervisor, task, state, fds)
    finally:
        close_all(fds.values())


def _descriptors(task: Task) -> dict[str, int]:
    held: dict[str, int] = {}
    if task.pidfd >= 0:
        held["pidfd"] = task.pidfd
    if task.terminal >= 0:
        held["terminal"] = task.terminal
        return held
    if task.stdin is not None and task.stdin.fd >= 0:
        held["stdin"] = task.stdin.fd
    for output in task.outputs:
        if output.fd >= 0:
            held["stdout" if output.stream == 1 else "stderr"] = output.fd
    return held


def _adopt_clients(supervisor: Supervisor, task: Task, state: Message, fds: dict[str, int]) -> None:
    for attachment in protocol.nested_list(state, "attachments"):
        attachment_id = protocol.number(attachment, "id")
        fd = fds.pop(f"connection:{attachment_id}", -1)
        if fd < 0:
            continue
        if attachment_id in task.clients:
            close_all([fd])
            continue
        settings = AttachSettings(protocol.nested(attachment, "spec") or {})
        client = Client(supervisor.loop, task, attachment_id, fd, settings)
        client.state.keep(protocol.decode_bytes(protocol.text(attachment, "unsent")))
        client.state.input_ended = protocol.flag(attachment, "input_ended")
        client.update_interest()
        task.add_client(client, b"")


def _adopt_process(supervisor: Supervisor, task: Task, state: Message, fds: dict[str, int]) -> None:
    supervisor.open_log(task, protocol.nested(state, "log"))
    if task.log is not None:
        partial = protocol.table(state, "partial").items()
        task.log.restore(
            [_chunk(chunk) for chunk in protocol.nested_list(state, "unsent")],
            {int(stream): protocol.decode_bytes(text) for stream, text in partial},
        )
    task.is_child = protocol.flag(state, "is_child")
    task.stdin_once = protocol.flag(state, "stdin_once")
    task.head = protocol.decode_bytes(protocol.text(state, "input"))
    task.set_streams(
        stdin=fds.pop("stdin", -1),
        stdout=fds.pop("stdout", -1),
        stderr=fds.pop("stderr", -1),
        terminal=fds.pop("terminal", -1),
    )
    task.run(protocol.number(state, "pid"), fds.pop("pidfd"))


def _chunk(message: Message) -> tuple[int, int, bytes]:
    """Output that was not sent: stream, time, bytes."""
    data = protocol.decode_bytes(protocol.text(message, "data"))
    return protocol.number(message, "stream"), protocol.number(message, "at"), data
