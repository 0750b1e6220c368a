"""An attached client: a connection, joined to a task's streams."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Protocol

from wharfie.supervisor.loop import HANGUP, READ, WRITE, Loop
from wharfie.supervisor.streams.attach import AttachSettings, AttachState

_INPUT_SIZE = 65536
_FLUSH_SIZE = 1 << 18
_SEND_FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL


class Host(Protocol):
    """The task a client is attached to."""

    def accepts_input(self) -> bool:
        """False while clients must not be read: not started yet, or input is not taken."""

    def on_input(self, data: bytes) -> None:
        """Bytes for the task's standard input."""

    def on_input_end(self, client: Client) -> None:
        """A client with input sent its last byte, or detached."""

    def on_room(self) -> None:
        """A client that was full has room again."""

    def on_client_end(self, client: Client, *, detached: bool) -> None:
        """A client is gone; its connection is closed."""


class Client:
    """Moves bytes between a connection and an attachment's state.

    Attributes:
        on_release: called when held output may go (or never will), to unpin the log.
    """

    __slots__ = (
        "_connection", "_events", "_gone", "_host", "_loop", "id", "is_open", "on_release", "state",
    )  # fmt: skip

    def __init__(
        self, loop: Loop, host: Host, attachment_id: int, fd: int, settings: AttachSettings
    ) -> None:
        self.id = attachment_id
        self.state = AttachState(settings)
        self.is_open = True
        self.on_release: Callable[[], None] | None = None
        self._loop = loop
        self._host = host
        self._connection = socket.socket(fileno=fd)
        self._connection.setblocking(False)
        self._events = -1
        self._gone = False
        self.update_interest()

    @property
    def fd(self) -> int:
        """The connection's descriptor."""
        return self._connection.fileno()

    def send(self, data: memoryview) -> None:
        """Send formed output, or let it wait. The view is not kept."""
        state = self.state
        if self._gone:
            return
        if not state.is_direct:
            state.keep(data)
            return
        try:
            count = self._connection.send(data, _SEND_FLAGS)
        except BlockingIOError:
            count = 0
        except OSError:
            self._lose()
            return
        if count < len(data):
            state.keep(data[count:])
            self.update_interest()

    def release(self) -> None:
        """Let held output go."""
        self._unpin()
        self.state.release()
        self._flush()

    def finish(self) -> None:
        """The task is over: close once everything is sent."""
        self._unpin()
        self.state.finish()
        self._flush()

    def update_interest(self) -> None:
        """Watch what matters now; a hang-up always does."""
        if not self.is_open or self._gone:
            return
        state = self.state
        events = 0
        if not state.input_ended and (not state.settings.stdin or self._host.accepts_input()):
            events |= READ
        if state.unsent and not state.held:
            events |= WRITE
        if events != self._events:
            self._events = events
            self._loop.watch(self.fd, events, self._on_events)

    def resume_input(self) -> None:
        """The task takes input (again)."""
        if self._gone:
            self._read_rest()
        else:
            self.update_interest()

    def close(self, *, detached: bool = False) -> None:
        """Close the connection now and tell the host."""
        if not self.is_open:
            return
        self.is_open = False
        self._unpin()
        self._loop.forget(self.fd)
        with contextlib.suppress(OSError):
            # Input nobody will read would turn the close of a TCP connection into a reset,
            # and the client would lose output it has not read yet.
            for _ in range(16):
                if not self._connection.recv(_INPUT_SIZE, socket.MSG_DONTWAIT):
                    break
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        self._connection.close()
        self._host.on_client_end(self, detached=detached)

    def detach_descriptor(self) -> int:
        """Give up the connection without closing it; returns its descriptor."""
        self.is_open = False
        self._loop.forget(self.fd)
        return self._connection.detach()

    def _on_events(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & READ and self.is_open:
            self._read()
        if events & HANGUP and self.is_open and not self._gone:
            self._lose()

    def _flush(self) -> None:
        state = self.state
        was_full = state.is_full
        if not self._gone and state.unsent and not state.held:
            try:
                with memoryview(state.unsent) as waiting:
                    count = self._connection.send(waiting[:_FLUSH_SIZE], _SEND_FLAGS)
            except BlockingIOError:
                count = 0
            except OSError:
                self._lose()
                return
            state.sent(count)
        if state.is_over:
            self.close()
            return
        self.update_interest()
        if was_full and not state.is_full:
            self._host.on_room()

    def _read(self) -> None:
        try:
            data = self._connection.recv(_INPUT_SIZE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            self._lose()
            return
        if data:
            self._take(data)
        else:
            self._end_input()

    def _take(self, data: bytes) -> None:
        passed, detached = self.state.input(data)
        if passed:
            self._host.on_input(passed)
        if detached:
            self.state.input_ended = True
            self._host.on_input_end(self)
            self.close(detached=True)

    def _end_input(self) -> None:
        state = self.state
        if state.input_ended:
            return
        rest = state.end_input()
        if state.settings.stdin:
            if rest:
                self._host.on_input(rest)
            self._host.on_input_end(self)
        if self.is_open:
            self.update_interest()

    def _lose(self) -> None:
        """The client is gone: output for it is dropped at once, input it sent still counts."""
        state = self.state
        was_full = state.is_full
        self._gone = True
        self._loop.forget(self.fd)
        self._unpin()
        state.unsent.clear()
        state.held = False
        self._read_rest()
        if was_full:
            self._host.on_room()

    def _read_rest(self) -> None:
        state = self.state
        while state.settings.stdin and not state.input_ended:
            if not self._host.accepts_input():
                return  # `resume_input` goes on
            try:
                data = self._connection.recv(_INPUT_SIZE, socket.MSG_DONTWAIT)
            except OSError:
                data = b""
            if data:
                self._take(data)
                if not self.is_open:
                    return
            else:
                self._end_input()
        self.close()

    def _unpin(self) -> None:
        if self.on_release is not None:
            self.on_release()
            self.on_release = None
