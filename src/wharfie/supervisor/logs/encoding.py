"""The two encoders of log files behind one face, chosen by the log's settings."""

from __future__ import annotations

import os
import time
from typing import Protocol

from wharfie.formats.logs.jsonlog import JsonLogEncoder, Timestamps
from wharfie.formats.logs.locallog import LocalLogEncoder
from wharfie.supervisor.logs.settings import LogSettings

_timestamps = Timestamps()


class FileEncoder(Protocol):
    """Turns output into whole records of a log file."""

    def feed(self, stream: int, data: bytes) -> bytes:
        """The records that `data` completes."""

    def flush(self, stream: int) -> bytes:
        """The stream ended: what is left of it."""

    def pending(self, stream: int) -> bytes:
        """The unfinished line kept back."""


class JsonFileEncoder:
    """Lines of JSON. See `FileEncoder`."""

    __slots__ = ("_encoder",)

    def __init__(self, settings: LogSettings) -> None:
        self._encoder = JsonLogEncoder(settings.attributes)

    def feed(self, stream: int, data: bytes) -> bytes:
        """See `FileEncoder`."""
        return self._encoder.feed(stream, data, _timestamps.format(time.time_ns()))

    def flush(self, stream: int) -> bytes:
        """See `FileEncoder`."""
        return self._encoder.flush(stream, _timestamps.format(time.time_ns()))

    def pending(self, stream: int) -> bytes:
        """See `FileEncoder`."""
        return self._encoder.pending(stream)


class LocalFileEncoder:
    """Records of the local driver. See `FileEncoder`."""

    __slots__ = ("_encoder",)

    def __init__(self, settings: LogSettings) -> None:
        self._encoder = LocalLogEncoder(settings.attributes, make_line_id)

    def feed(self, stream: int, data: bytes) -> bytes:
        """See `FileEncoder`."""
        return self._encoder.feed(stream, data, time.time_ns())

    def flush(self, stream: int) -> bytes:
        """See `FileEncoder`."""
        return self._encoder.flush(stream)

    def pending(self, stream: int) -> bytes:
        """See `FileEncoder`."""
        return self._encoder.pending(stream)


def file_encoder(settings: LogSettings) -> FileEncoder:
    """The encoder of a log's file."""
    return LocalFileEncoder(settings) if settings.is_local else JsonFileEncoder(settings)


def make_line_id() -> str:
    """An ID that the pieces of one long line share."""
    return os.urandom(32).hex()
