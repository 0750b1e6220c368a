"""The supervisor's socket and the daemons connected to it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence

from wharfie.kernel.descriptors import close_all, receive_message, send_message, unix_address
from wharfie.supervisor import protocol
from wharfie.supervisor.loop import HANGUP, READ, WRITE, Loop
from wharfie.supervisor.protocol import Message

_MESSAGES_PER_TURN = 32
_MAX_WAITING = 20_000

_buffer = bytearray(protocol.MAX_MESSAGE)


class Session:
    """One connected daemon.

    Attributes:
        is_greeted: said hello, so it is told of exits.
    """

    def __init__(
        self,
        loop: Loop,
        connection: socket.socket,
        on_message: Callable[[Session, Message, list[int]], None],
        on_end: Callable[[Session], None],
    ) -> None:
        self._loop = loop
        self._connection = connection
        self._on_message = on_message
        self._on_end = on_end
        self._waiting: deque[tuple[bytes, list[int]]] = deque()
        self._is_open = True
        self.is_greeted = False
        connection.setblocking(False)
        grow_buffers(connection)
        loop.watch(connection.fileno(), READ, self._on_events)

    @property
    def fd(self) -> int:
        """The connection's descriptor."""
        return self._connection.fileno()

    def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Send a message with duplicates of descriptors; waits its turn if need be."""
        if not self._is_open:
            return
        data = protocol.encode(message)
        if not self._waiting:
            try:
                send_message(self._connection, data, fds)
            except BlockingIOError:
                pass
            except OSError:
                self.close()
                return
            else:
                return
        if len(self._waiting) >= _MAX_WAITING:
            self.close()  # it reads nothing; a new one will ask for everything again
            return
        self._waiting.append((data, [os.dup(fd) for fd in fds]))
        self._loop.watch(self.fd, READ | WRITE, self._on_events)

    def reply(self, request: Message, message: Message, fds: Sequence[int] = ()) -> None:
        """Answer a request."""
        sequence = request.get("seq")
        # A request without a number asked for no answer.
        if sequence is not None:
            self.send({"re": sequence, **message}, fds)

    def refuse(self, request: Message, error: str, **details: object) -> None:
        """Answer a request with an error."""
        self.reply(request, {"error": error, **details})

    def close(self) -> None:
        """Hang up."""
        if not self._is_open:
            return
        self._is_open = False
        self._loop.forget(self.fd)
        self._connection.close()
        for _, fds in self._waiting:
            close_all(fds)
        self._waiting.clear()
        self._on_end(self)

    def _on_events(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & (READ | HANGUP):
            for _ in range(_MESSAGES_PER_TURN):
                if not self._is_open or not self._receive():
                    return

    def _flush(self) -> None:
        while self._waiting:
            data, fds = self._waiting[0]
            try:
                send_message(self._connection, data, fds)
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            close_all(fds)
            self._waiting.popleft()
        self._loop.watch(self.fd, READ, self._on_events)

    def _receive(self) -> bool:
        try:
            data, fds = receive_message(self._connection, _buffer)
        except BlockingIOError:
            return False
        except OSError:
            data, fds = b"", []
        if not data:
            close_all(fds)
            self.close()
            return False
        try:
            self._on_message(self, protocol.decode(data), fds)
        except protocol.ProtocolError:
            self.close()
        finally:
            close_all(fds)
        return True


class Listener:
    """The socket daemons connect to; only root can reach it."""

    def __init__(self, loop: Loop, exec_root: str, accept: Callable[[socket.socket], None]) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self._accept = accept
        self._loop = loop
        self._path = path = f"{exec_root}/{protocol.SOCKET_NAME}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        before = os.umask(0o177)
        try:
            with unix_address(path) as address:
                self._socket.bind(address)
        finally:
            os.umask(before)
        self._socket.listen(16)
        loop.watch(self._socket.fileno(), READ, self._on_events)

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._loop.forget(self._socket.fileno())
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def _on_events(self, _events: int) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:
            return
        self._accept(connection)


def grow_buffers(connection: socket.socket) -> None:
    """Make room for long messages; root may exceed the system's limit."""
    for option in (32, 33):  # SO_SNDBUFFORCE, SO_RCVBUFFORCE: missing from the socket module
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, option, protocol.SOCKET_BUFFER)
