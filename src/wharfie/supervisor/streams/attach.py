"""What an attached client is owed and allowed: the state of one attachment, without I/O.

    held ──release──▶ live ──finish──▶ finishing ──all sent──▶ over

Output goes straight to the connection while the attachment is live and nothing waits; else it
waits in a buffer. A full buffer asks the task to stop reading its output, as Docker's does.
"""

from __future__ import annotations

import struct

from wharfie.supervisor import protocol
from wharfie.supervisor.protocol import Message
from wharfie.supervisor.streams.detach import DetachKeys

BUFFER_LIMIT = 1 << 20
HEADER = struct.Struct(">BxxxL")
HEADER_SIZE = 8

STDOUT = 1
STDERR = 2


class AttachSettings:
    """What was asked for; the fields of `model.task.AttachSpec` but for the head."""

    __slots__ = ("detach_keys", "framed", "hold", "stderr", "stdin", "stdout")

    def __init__(self, message: Message) -> None:
        self.stdin = protocol.flag(message, "stdin")
        self.stdout = protocol.flag(message, "stdout")
        self.stderr = protocol.flag(message, "stderr")
        self.framed = protocol.flag(message, "framed", default=True)
        self.hold = protocol.flag(message, "hold")
        self.detach_keys = protocol.decode_bytes(protocol.text(message, "detach_keys"))

    def to_message(self) -> Message:
        """The same as a message."""
        return {
            "stdin": self.stdin,
            "stdout": self.stdout,
            "stderr": self.stderr,
            "framed": self.framed,
            "hold": self.hold,
            "detach_keys": protocol.encode_bytes(self.detach_keys),
        }


class AttachState:
    """One attachment's buffers and phase."""

    __slots__ = ("_keys", "finishing", "held", "input_ended", "settings", "unsent")

    def __init__(self, settings: AttachSettings) -> None:
        self.settings = settings
        self.held = settings.hold
        self.finishing = False
        self.input_ended = False
        self.unsent = bytearray()
        self._keys = DetachKeys(settings.detach_keys) if settings.detach_keys else None

    @property
    def is_direct(self) -> bool:
        """Output may go to the connection without waiting behind other output."""
        return not self.held and not self.unsent

    @property
    def is_full(self) -> bool:
        """No more output should be produced for now."""
        return len(self.unsent) >= BUFFER_LIMIT

    @property
    def is_over(self) -> bool:
        """Everything owed was sent."""
        return self.finishing and not self.held and not self.unsent

    def wants(self, stream: int) -> bool:
        """Tell whether output of a stream belongs here."""
        return self.settings.stdout if stream == STDOUT else self.settings.stderr

    def frame(self, stream: int, data: bytes) -> bytes:
        """Output in the form the client asked for."""
        return HEADER.pack(stream, len(data)) + data if self.settings.framed else data

    def keep(self, data: bytes | memoryview) -> None:
        """Let formed output wait."""
        self.unsent += data

    def sent(self, count: int) -> None:
        """The connection took `count` bytes of what waited."""
        del self.unsent[:count]

    def release(self) -> None:
        """What was held may go."""
        self.held = False

    def finish(self) -> None:
        """No more output will come; a hold ends with it."""
        self.finishing = True
        self.held = False

    def input(self, data: bytes) -> tuple[bytes, bool]:
        """The client typed: return what the task gets and whether the client detached."""
        if not self.settings.stdin or self.input_ended:
            return b"", False
        return self._keys.feed(data) if self._keys else (data, False)

    def end_input(self) -> bytes:
        """The client will send no more: what the detach keys had kept back."""
        self.input_ended = True
        return self._keys.flush() if self._keys else b""
