"""The client's end of a build session: contexts, secrets and ssh agents, lent on demand.

One thread reads what the daemon asks for, each thing lent has a thread of its own that answers.
"""

from __future__ import annotations

import _thread
import os
import queue

from wharfie.client.errors import TransportError
from wharfie.formats.session import frames
from wharfie.formats.session.frames import Decoder, Frame, FrameError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wharfie.client.daemon import Hijacked

    Lend = Callable[["Line", str], None]


class Refused(Exception):
    """What was asked for is not lent; the text says why, "" that there is none."""


def _refuse(line: Line, name: str) -> None:  # noqa: ARG001 - the form of all that lend
    raise Refused


class Line:
    """One channel, as whoever lends over it sees it."""

    def __init__(self, lender: Lender, number: int) -> None:
        self._lender = lender
        self._number = number
        self.frames: queue.SimpleQueue[Frame] = queue.SimpleQueue()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        view = memoryview(data)
        while view:
            piece = bytes(view[: frames.MAX_PAYLOAD])
            view = view[len(piece) :]
            self._lender.send(frames.DATA, self._number, piece)

    def greet(self) -> None:
        """Say that it is there, before it has anything to say."""
        self._lender.send(frames.DATA, self._number)

    def receive(self) -> bytes | None:
        """The next message, None at the end."""
        frame = self.frames.get()
        return frame.payload if frame.kind == frames.DATA else None


class Lender:
    """Serves one session.

    Args:
        hijacked: its connection.
        services: what is lent, by the name of the service.
    """

    def __init__(self, hijacked: Hijacked, services: Mapping[str, Lend]) -> None:
        self._hijacked = hijacked
        self._services = services
        self._sending = _thread.allocate_lock()
        self._lines: dict[int, Line] = {}

    def start(self) -> None:
        """Serve in the background."""
        _thread.start_new_thread(self._read, ())

    def close(self) -> None:
        """End the session."""
        self._hijacked.stream.abort()

    def send(self, kind: int, channel: int, payload: bytes = b"") -> None:
        """Send one frame."""
        with self._sending:
            self._hijacked.stream.send(frames.encode(kind, channel, payload))

    def _read(self) -> None:
        decoder = Decoder()
        try:
            while data := self._hijacked.recv():
                for frame in decoder.feed(data):
                    self._take(frame)
        except (TransportError, FrameError, OSError):
            pass  # the build's own answer tells what happened
        for number, line in list(self._lines.items()):
            line.frames.put(Frame(frames.FAIL, number))

    def _take(self, frame: Frame) -> None:
        if frame.kind == frames.OPEN:
            line = self._lines[frame.channel] = Line(self, frame.channel)
            service, _, name = os.fsdecode(frame.payload).partition("\0")
            _thread.start_new_thread(self._lend, (line, frame.channel, service, name))
            return
        known = self._lines.get(frame.channel)
        if known is not None:
            known.frames.put(frame)

    def _lend(self, line: Line, number: int, service: str, name: str) -> None:
        try:
            self._services.get(service, _refuse)(line, name)
            self.send(frames.END, number)
        except Refused as refused:
            self._fail(number, str(refused))
        except (OSError, ValueError) as error:
            self._fail(number, str(error) or type(error).__name__)
        except TransportError:
            return
        finally:
            self._lines.pop(number, None)

    def _fail(self, number: int, text: str) -> None:
        try:
            self.send(frames.FAIL, number, text.encode(errors="replace")[: frames.MAX_PAYLOAD])
        except TransportError:
            return
