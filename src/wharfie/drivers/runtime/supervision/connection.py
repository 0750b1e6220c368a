"""A packet connection to the supervisor on the event loop: requests out, replies and events in."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence

from wharfie.kernel.descriptors import close_all, receive_message, send_message
from wharfie.supervisor import protocol
from wharfie.supervisor.protocol import Message
from wharfie.supervisor.server import grow_buffers

_MESSAGES_PER_TURN = 64


class SupervisorRefused(Exception):
    """The supervisor does not do what was asked; the text says why."""


class Connection:
    """Sends and receives messages with descriptors; never blocks the loop.

    Args:
        connection: a connected SOCK_SEQPACKET socket, taken over.
        on_message: gets each message; the receiver owns the descriptors.
        on_end: called once, when the other side is gone.
    """

    def __init__(
        self,
        connection: socket.socket,
        on_message: Callable[[Message, list[int]], None],
        on_end: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._on_message = on_message
        self._on_end = on_end
        self._waiting: deque[tuple[bytes, list[int]]] = deque()
        self._buffer = bytearray(protocol.MAX_MESSAGE)
        self._is_open = True
        connection.setblocking(False)
        grow_buffers(connection)
        self._loop.add_reader(connection.fileno(), self._on_readable)

    def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Send a message with duplicates of `fds`, at once or when there is room."""
        data = protocol.encode(message)
        if not self._is_open:
            return
        if not self._waiting:
            try:
                send_message(self._connection, data, fds)
            except BlockingIOError:
                self._loop.add_writer(self._connection.fileno(), self._on_writable)
            except OSError:
                return  # the end is seen by reading
            else:
                return
        self._waiting.append((data, [os.dup(fd) for fd in fds]))

    def close(self) -> None:
        """Hang up without calling `on_end`."""
        if not self._is_open:
            return
        self._is_open = False
        fd = self._connection.fileno()
        self._loop.remove_reader(fd)
        self._loop.remove_writer(fd)
        self._connection.close()
        for _, fds in self._waiting:
            close_all(fds)
        self._waiting.clear()

    def _on_writable(self) -> None:
        while self._waiting:
            data, fds = self._waiting[0]
            try:
                send_message(self._connection, data, fds)
            except BlockingIOError:
                return
            except OSError:
                pass
            close_all(fds)
            self._waiting.popleft()
        self._loop.remove_writer(self._connection.fileno())

    def _on_readable(self) -> None:
        for _ in range(_MESSAGES_PER_TURN):
            if not self._is_open:
                return
            try:
                data, fds = receive_message(self._connection, self._buffer)
            except BlockingIOError:
                return
            except OSError:
                data, fds = b"", []
            if not data:
                close_all(fds)
                self.close()
                self._on_end()
                return
            self._on_message(protocol.decode(data), fds)
