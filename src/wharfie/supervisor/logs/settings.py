"""What a task's log was asked to be; the fields of `model.task.LogSpec`."""

from __future__ import annotations

from wharfie.supervisor import protocol
from wharfie.supervisor.protocol import Message, ProtocolError

FILES = ("json-file", "local")
TARGETS = ("syslog", "journald", "gelf", "fluentd")


class LogSettings:
    """A log's settings."""

    __slots__ = (
        "attributes", "buffer", "compress", "driver", "fields", "max_files", "max_size", "options",
        "path",
    )  # fmt: skip

    def __init__(self, message: Message) -> None:
        self.driver = protocol.text(message, "driver", "json-file")
        self.path = protocol.text(message, "path")
        self.max_size = protocol.number(message, "max_size")
        self.max_files = max(1, protocol.number(message, "max_files", 1))
        self.compress = protocol.flag(message, "compress")
        self.attributes = protocol.table(message, "attributes")
        self.buffer = protocol.number(message, "buffer")
        self.options = protocol.table(message, "options")
        self.fields = protocol.table(message, "fields")
        if self.driver not in (*FILES, *TARGETS, "none"):
            raise ProtocolError(f"log: no driver {self.driver!r}")

    @property
    def is_local(self) -> bool:
        """The file has records of the `local` driver; else lines of JSON."""
        return self.driver != "json-file"

    @property
    def is_sent(self) -> bool:
        """Output is sent somewhere; the file, if any, is a copy."""
        return self.driver in TARGETS

    def to_message(self) -> Message:
        """The same as a message."""
        return {
            "driver": self.driver,
            "path": self.path,
            "max_size": self.max_size,
            "max_files": self.max_files,
            "compress": self.compress,
            "attributes": self.attributes,
            "buffer": self.buffer,
            "options": self.options,
            "fields": self.fields,
        }
