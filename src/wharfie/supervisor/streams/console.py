"""Receives a terminal from the OCI runtime.

With `--console-socket` the runtime makes the pty inside the container and sends its master over
that unix socket. Source: runc `docs/terminals.md`.
"""

from __future__ import annotations

import contextlib
import os
import socket

from wharfie.kernel.descriptors import close_all, receive_message, set_terminal_size, unix_address
from wharfie.supervisor.loop import READ, Loop


class ConsoleListener:
    """Listens on a console socket until the master came; `close` removes the socket.

    The size is set the moment the master is there: the process is about to ask for it.
    """

    def __init__(self, loop: Loop, path: str, size: tuple[int, int]) -> None:
        self._loop = loop
        self._size = size
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._connection: socket.socket | None = None
        self._master = -1
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        try:
            with unix_address(path) as address:
                self._listener.bind(address)
            self._listener.listen(1)
        except OSError:
            self._listener.close()
            raise
        loop.watch(self._listener.fileno(), READ, self._on_events)

    def take_master(self) -> int:
        """The master's descriptor, now the caller's; -1 when none came."""
        self._on_events(0)
        master, self._master = self._master, -1
        return master

    def close(self) -> None:
        """Stop listening."""
        for connection in (self._listener, self._connection):
            if connection is not None and connection.fileno() >= 0:
                self._loop.forget(connection.fileno())
                connection.close()
        close_all([self._master])
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def _on_events(self, _events: int) -> None:
        if self._connection is None:
            try:
                self._connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            self._loop.watch(self._connection.fileno(), READ, self._on_events)
        if self._connection.fileno() < 0:
            return
        try:
            _, fds = receive_message(self._connection, bytearray(4096))
        except BlockingIOError:
            return
        if fds and self._master < 0:
            self._master = fds.pop(0)
            if self._size != (0, 0):
                set_terminal_size(self._master, *self._size)
        close_all(fds)
        self._loop.forget(self._connection.fileno())
        self._connection.close()
