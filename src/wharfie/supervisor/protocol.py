"""Messages between the daemon and the supervisor.

One SOCK_SEQPACKET connection on `<exec-root>/supervisor.sock`; a packet is one JSON object,
descriptors ride along (SCM_RIGHTS), named in order by its "fds". Requests carry a "seq" that
the reply repeats as "re"; a refusal has "error" (text). Order of requests is kept per task.

    daemon → supervisor                             reply
    hello     version                               version pid           then unsettled exits
    tasks                                           tasks=[{id pid exit?}…] more, in several replies
    launch    spec          fds: rootfs? trees…     TaskState             or error, failed=true
    attach    task id spec  fds: connection         log_size
    release   task id
    resize    task rows columns
    signal    task number                           alive
    settle    task
    describe  task                                  TaskState, attachments
    adopt     TaskState     fds: as named           what a dead supervisor held
    reaped    task code                             answer to "reap": code or null
    upgrade   argv                                  answered by the new program, same connection
    shutdown                                        tasks (number that keep it alive)

    supervisor → daemon
    exit             task code at                   repeated on hello until settled
    stdin_end        task                           close your duplicate, or it never ends
    attachment_end   task id detached
    reap             task                           you may be its parent: take the status

TaskState: task pid terminal stdin stdin_once log={driver path max_size max_files compress
attributes buffer options fields} attachments=[{id spec}] partial={"1": text…} unsent; fds: pidfd
stdin stdout stderr terminal and connection:<attachment id>. The daemon keeps these duplicates;
should the supervisor die it starts another and sends one `adopt` per task. An upgrade is the
same state in a sealed file, read by the new program that was executed in place, so it stays the
parent.

Version 1. Unknown fields and events are ignored, unknown requests refused by an error, a field
is never given another meaning: daemon and supervisor may be of different versions.
"""

from __future__ import annotations

import orjson

VERSION = 1
MAX_MESSAGE = 512 * 1024
SOCKET_BUFFER = 4 * 1024 * 1024
TASKS_PER_REPLY = 500
SOCKET_NAME = "supervisor.sock"
LOCK_NAME = "supervisor.lock"
LOG_NAME = "supervisor.log"
PROCESS_NAME = "wharfie-superv"

Message = dict[str, object]


class ProtocolError(Exception):
    """A packet that is no message, or a field of the wrong type."""


def encode(message: Message) -> bytes:
    """One packet; ProtocolError when it is too long."""
    data = orjson.dumps(message)
    if len(data) > MAX_MESSAGE:
        raise ProtocolError(f"message of {len(data)} bytes is too long")
    return data


def decode(data: bytes) -> Message:
    """The message in a packet."""
    try:
        message = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise ProtocolError("not an object")
    return message


def text(message: Message, key: str, default: str = "") -> str:
    """A text field."""
    value = message.get(key, default)
    if not isinstance(value, str):
        raise ProtocolError(f"{key}: text expected")
    return value


def number(message: Message, key: str, default: int = 0) -> int:
    """An integer field."""
    value = message.get(key, default)
    if not isinstance(value, int):
        raise ProtocolError(f"{key}: number expected")
    return value


def flag(message: Message, key: str, *, default: bool = False) -> bool:
    """A boolean field."""
    value = message.get(key, default)
    if not isinstance(value, bool):
        raise ProtocolError(f"{key}: true or false expected")
    return value


def texts(message: Message, key: str) -> list[str]:
    """A list of texts."""
    value = message.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ProtocolError(f"{key}: list of text expected")
    return value


def numbers(message: Message, key: str) -> list[int]:
    """A list of integers."""
    value = message.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, int) for item in value):
        raise ProtocolError(f"{key}: list of numbers expected")
    return value


def table(message: Message, key: str) -> dict[str, str]:
    """A table of texts."""
    value = message.get(key) or {}
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ProtocolError(f"{key}: table of text expected")
    return value


def nested(message: Message, key: str) -> Message | None:
    """An object field, None when absent."""
    value = message.get(key)
    if value is not None and not isinstance(value, dict):
        raise ProtocolError(f"{key}: object expected")
    return value


def nested_list(message: Message, key: str) -> list[Message]:
    """A list of objects."""
    value = message.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ProtocolError(f"{key}: list of objects expected")
    return value


def encode_bytes(data: bytes) -> str:
    """Bytes as a text field, one character each."""
    return data.decode("latin-1")


def decode_bytes(value: str) -> bytes:
    """What `encode_bytes` made."""
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        raise ProtocolError("text is no byte string") from None
