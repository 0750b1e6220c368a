"""Receivers of log messages: sockets of our own, read by a thread, or not at all."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from wharfie.kernel.netns import call_inside

T = TypeVar("T")


def in_network_of(pid: int, make: Callable[[], T]) -> T:
    """Call `make` in the network namespace of a process; sockets stay in it."""
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        return call_inside(namespace, make)
    finally:
        os.close(namespace)


class Receiver:
    """Collects what is sent to a socket; a context manager.

    Args:
        kind: "udp", "tcp", "unix" or "unixgram".
        pid: whose network namespace to listen in.
        path: of a unix socket.
        port: 0 for any.
        reads: otherwise it listens and never reads.
        answer: what to send back for a piece of a stream.
        tls: serve a stream over TLS.
    """

    def __init__(
        self,
        kind: str,
        *,
        pid: int = 0,
        path: Path | None = None,
        port: int = 0,
        reads: bool = True,
        answer: Callable[[bytes], bytes] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.is_datagram = kind in ("udp", "unixgram")
        self._type = socket.SOCK_DGRAM if self.is_datagram else socket.SOCK_STREAM
        self._answer = answer
        self._tls = tls
        self.packets: list[bytes] = []
        self._connections: list[socket.socket] = []
        if path is not None:
            self._socket = socket.socket(socket.AF_UNIX, self._type)
            self._socket.bind(str(path))
            self.address = f"{kind}://{path}"
        else:
            self._socket = in_network_of(pid or os.getpid(), self._make)
            self._socket.bind(("127.0.0.1", port))
            self.address = f"{kind}://127.0.0.1:{self._socket.getsockname()[1]}"
        if not self.is_datagram:
            self._socket.listen(8)
        self._threads = [threading.Thread(target=self._serve, daemon=True)] if reads else []
        for thread in self._threads:
            thread.start()

    def _make(self) -> socket.socket:
        made = socket.socket(socket.AF_INET, self._type)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return made

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on everybody and stop listening."""
        self.hang_up()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            self._socket.close()
        for thread in [*self._threads]:
            thread.join(5)
        self._socket.close()

    def hang_up(self) -> None:
        """Close the connections, go on listening."""
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._connections.clear()

    @property
    def data(self) -> bytes:
        """All that came, in order."""
        return b"".join(self.packets)

    def wait_for(self, text: bytes, seconds: float = 15) -> bytes:
        """All that came, once `text` is in it."""
        end = time.monotonic() + seconds
        while text not in (found := self.data):
            if time.monotonic() > end:
                raise TimeoutError(f"{text!r} did not come; what came: {found[-500:]!r}")
            time.sleep(0.01)
        return found

    def _serve(self) -> None:
        if self.is_datagram:
            self._read(self._socket)
            return
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._read_all, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _read_all(self, connection: socket.socket) -> None:
        with connection:
            if self._tls is None:
                self._read(connection)
                return
            with contextlib.suppress(OSError):
                secured = self._tls.wrap_socket(connection, server_side=True)
                while packet := secured.recv(1 << 16):
                    self.packets.append(packet)
                secured.close()

    def _read(self, source: socket.socket) -> None:
        while True:
            try:
                packet, fds, _, _ = socket.recv_fds(source, 1 << 17, 4)
            except OSError:
                return
            if fds:
                with open(fds[0], "rb") as file:
                    file.seek(0)
                    packet = file.read()
            if not packet:
                return
            self.packets.append(packet)
            if self._answer is not None:
                source.sendall(self._answer(packet))
