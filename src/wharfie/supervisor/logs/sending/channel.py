"""A connection to a receiver of messages: looked up, connected, perhaps over TLS; then bytes.

    new ──open──▶ looking up ──▶ connecting ──▶ (handshake) ──▶ up ──▶ closed
                       └──────────────┴──────────────┴───────── failed ──┘

Nothing here waits: names are looked up by a thread, sockets belong to the loop.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import os
import socket
import ssl
from collections.abc import Callable

from wharfie.supervisor.logs.sending import address as addresses
from wharfie.supervisor.logs.sending.address import Address, Resolved
from wharfie.supervisor.loop import HANGUP, READ, WRITE, Loop, Timer
from wharfie.supervisor.streams.writers import Writers

CONNECT_SECONDS = 10.0
_ADD_SEALS = 1033
_ALL_SEALS = 15
"""F_ADD_SEALS with SEAL, SHRINK, GROW and WRITE; journald takes no other memory file."""
_TRANSIENT = (errno.ECONNREFUSED, errno.ENOBUFS, errno.EHOSTUNREACH, errno.ENETUNREACH)
"""What a datagram socket says of an earlier datagram, or of the network just now."""

Encrypt = Callable[[], ssl.SSLContext]


class Channel:
    """One attempt at one connection.

    Args:
        loop: watches the socket.
        resolver: threads that look names up.
        address: the receiver.
        encrypt: makes the TLS context, None without TLS.
        on_up: called when messages may be sent.
        on_down: called once with the reason, when it failed or was closed by the other side.
        on_writable: called when `send` may go on.
        on_data: called with what the receiver says.
    """

    def __init__(
        self,
        loop: Loop,
        resolver: Writers,
        address: Address,
        *,
        encrypt: Encrypt | None,
        on_up: Callable[[], None],
        on_down: Callable[[OSError], None],
        on_writable: Callable[[], None],
        on_data: Callable[[bytes], None],
    ) -> None:
        self._loop = loop
        self._resolver = resolver
        self._address = address
        self._encrypt = encrypt
        self._on_up = on_up
        self._on_down = on_down
        self._on_writable = on_writable
        self._on_data = on_data
        self._socket: socket.socket | None = None
        self._candidates: list[Resolved] = []
        self._deadline: Timer | None = None
        self._is_over = False
        self._has_switched = False
        self.is_up = False

    def open(self) -> None:
        """Begin; `on_up` or `on_down` follows, perhaps at once."""
        self._deadline = self._loop.call_later(
            CONNECT_SECONDS, lambda: self._fail(TimeoutError(f"dial {self._address}: i/o timeout"))
        )
        if self._address.path:
            self._connect_unix()
        elif addresses.is_numeric(self._address.host):
            self._on_resolved(addresses.look_up(self._address), None)
        else:
            self._resolver.submit(self._look_up)

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Send what goes; for datagrams all or nothing. 0 when the channel is full or went down."""
        connection = self._socket
        if connection is None or not self.is_up:
            return 0
        try:
            return connection.send(data)
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            return 0
        except OSError as error:
            return self._on_refused(error, data)

    def want_room(self, *, wanted: bool) -> None:
        """Have `on_writable` called, or not."""
        if self._socket is not None and self.is_up:
            events = READ | (WRITE if wanted else 0)
            self._loop.watch(self._socket.fileno(), events, self._on_events)

    def close(self) -> None:
        """Close without a word; idempotent."""
        self._is_over = True
        self.is_up = False
        if self._deadline is not None:
            self._deadline.cancel()
        if self._socket is not None:
            self._loop.forget(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _look_up(self) -> Callable[[], None]:
        """Runs in a thread."""
        try:
            found = addresses.look_up(self._address)
        except OSError as error:
            failure = error
            return lambda: self._on_resolved([], failure)
        return lambda: self._on_resolved(found, None)

    def _on_resolved(self, found: list[Resolved], failure: OSError | None) -> None:
        if self._is_over:
            return
        self._candidates = found
        if found:
            self._connect_next()
        else:
            host = self._address.host
            self._fail(OSError(f"lookup {host}: {failure.strerror if failure else 'no such host'}"))

    def _connect_next(self) -> None:
        family, where = self._candidates.pop(0)
        kind = socket.SOCK_DGRAM if self._address.is_datagram else socket.SOCK_STREAM
        self._connect(socket.socket(family, kind | socket.SOCK_NONBLOCK), where)

    def _connect_unix(self) -> None:
        kind = socket.SOCK_DGRAM if self._address.is_datagram else socket.SOCK_STREAM
        self._connect(
            socket.socket(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK), self._address.path
        )

    def _connect(self, connection: socket.socket, where: tuple[str, int] | str) -> None:
        self._socket = connection
        connection.setblocking(False)
        try:
            connection.connect(where)
        except BlockingIOError as error:
            if error.errno == errno.EAGAIN:  # a unix socket whose backlog is full
                self._on_unconnected(error)
                return
            self._loop.watch(connection.fileno(), WRITE, self._on_connected)
        except OSError as error:
            self._on_unconnected(error)
        else:
            self._on_connected(0)

    def _on_connected(self, _events: int) -> None:
        connection = self._socket
        assert connection is not None
        code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._on_unconnected(OSError(code, os.strerror(code)))
            return
        if self._encrypt is None:
            self._be_up()
            return
        self._loop.forget(connection.fileno())
        try:
            self._socket = self._encrypt().wrap_socket(
                connection,
                do_handshake_on_connect=False,
                server_hostname=self._address.host,
                suppress_ragged_eofs=True,
            )
        except OSError as error:
            self._fail(error)
            return
        self._socket.setblocking(False)
        self._shake_hands(0)

    def _shake_hands(self, _events: int) -> None:
        connection = self._socket
        assert isinstance(connection, ssl.SSLSocket)
        try:
            connection.do_handshake()
        except ssl.SSLWantReadError:
            self._loop.watch(connection.fileno(), READ, self._shake_hands)
        except ssl.SSLWantWriteError:
            self._loop.watch(connection.fileno(), WRITE, self._shake_hands)
        except OSError as error:
            self._fail(error)
        else:
            self._be_up()

    def _on_unconnected(self, error: OSError) -> None:
        assert self._socket is not None
        self._loop.forget(self._socket.fileno())
        self._socket.close()
        self._socket = None
        if self._candidates:
            self._connect_next()
            return
        if error.errno == errno.EPROTOTYPE and not self._has_switched:
            # Nothing says whether a unix socket takes streams or datagrams but to try.
            self._has_switched = True
            self._address.scheme = "unix" if self._address.is_datagram else "unixgram"
            self._connect_unix()
            return
        where = self._address.path or f"{self._address.host}:{self._address.port}"
        words = (error.strerror or str(error)).lower()
        self._fail(OSError(f"dial {self._address.scheme} {where}: connect: {words}"))

    def _be_up(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self.is_up = True
        assert self._socket is not None
        if not self._address.is_datagram:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.want_room(wanted=False)
        self._on_up()

    def _on_events(self, events: int) -> None:
        if events & (READ | HANGUP):
            self._read()
        if events & WRITE and self.is_up:
            self._on_writable()

    def _read(self) -> None:
        connection = self._socket
        assert connection is not None
        try:
            data = connection.recv(4096)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            if self._address.scheme == "udp":
                return  # an earlier datagram was refused; nobody promised more
            self._fail(error)
            return
        if data:
            self._on_data(data)
        elif not self._address.is_datagram:
            self._fail(ConnectionResetError("the receiver closed the connection"))

    def _on_refused(self, error: OSError, data: bytes | bytearray | memoryview) -> int:
        is_datagram = self._address.is_datagram
        if self._address.path and is_datagram and error.errno in (errno.EMSGSIZE, errno.ENOBUFS):
            return self._send_as_file(bytes(data))
        if self._address.scheme == "udp" and error.errno in (*_TRANSIENT, errno.EMSGSIZE):
            return len(data)  # lost, as datagrams are
        self._fail(error)
        return 0

    def _send_as_file(self, data: bytes) -> int:
        """A message too long for a datagram, as journald takes it: a sealed memory file."""
        assert self._socket is not None
        file = os.memfd_create("journal", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
            fcntl.fcntl(file, _ADD_SEALS, _ALL_SEALS)
            fds = array.array("i", [file])
            self._socket.sendmsg([], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        except BlockingIOError:
            return 0
        except OSError as error:
            self._fail(error)
            return 0
        finally:
            os.close(file)
        return len(data)

    def _fail(self, error: OSError) -> None:
        if not self._is_over:
            self.close()
            self._on_down(error)
