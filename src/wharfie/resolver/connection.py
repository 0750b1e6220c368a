"""A relayed connection: what comes from either side is passed on to the other, to the end.

TCP is bytes and half-closes. SCTP is messages, each with its stream and what kind of payload it
is; they are passed on whole, and both ends close together.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable

from wharfie.supervisor.loop import HANGUP, READ, WRITE, Loop, Timer

IPPROTO_SCTP = 132
_PIECE = 1 << 16
_MOST_MESSAGE = 1 << 20
_CONNECT_PATIENCE = 10.0
# Source: RFC 6458 and linux/sctp.h, which the socket module does not know.
_SCTP_INITMSG = 2
_SCTP_NODELAY = 3
_SCTP_EVENTS = 11
_SCTP_SNDRCV = 1
_SNDRCV = struct.Struct("=HHHHIIIIIi")
_UNORDERED = 1
_MOST_STREAMS = 1024


class Half:
    """One direction: what was read and is not yet written."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source, self.sink = source, sink
        self.waiting = b""
        self.ended = False
        self.shut = False

    @property
    def wants_input(self) -> bool:
        return not self.ended and not self.waiting

    def read(self) -> None:
        """Take a piece; BlockingIOError when there is none."""
        self.waiting = self.source.recv(_PIECE)
        self.ended = not self.waiting

    def write(self) -> None:
        """Pass on what is waiting, then the end."""
        if self.waiting:
            sent = self.sink.send(self.waiting)
            self.waiting = self.waiting[sent:]
        if self.ended and not self.waiting and not self.shut:
            self.shut = True
            with contextlib.suppress(OSError):
                self.sink.shutdown(socket.SHUT_WR)


class MessageHalf(Half):
    """One direction of SCTP: a message at a time, on the stream it came on."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        super().__init__(source, sink)
        self._begun = b""
        self._about: list[tuple[int, int, bytes]] = []

    def read(self) -> None:
        """Take a piece of a message; it waits to be sent once it is whole."""
        data, ancillary, flags, _ = self.source.recvmsg(_PIECE, socket.CMSG_SPACE(_SNDRCV.size))
        self._begun += data
        if not data:
            self.ended = True
        elif len(self._begun) > _MOST_MESSAGE:
            raise OSError("a message is too long")
        elif flags & socket.MSG_EOR:
            self.waiting, self._begun = self._begun, b""
            self._about = [
                (level, kind, passed_on(told))
                for level, kind, told in ancillary
                if (level, kind) == (IPPROTO_SCTP, _SCTP_SNDRCV) and len(told) == _SNDRCV.size
            ]

    def write(self) -> None:
        """Pass on the message that waits, all at once, then the end."""
        if self.waiting:
            self.sink.sendmsg([self.waiting], self._about)
            self.waiting = b""
        super().write()


def passed_on(received: bytes) -> bytes:
    """What is told with a message when it is sent on: its stream, order and kind of payload."""
    stream, _, flags, _, kind, *_ = _SNDRCV.unpack(received)
    return _SNDRCV.pack(stream, 0, flags & _UNORDERED, 0, kind, 0, 0, 0, 0, 0)


def prepare_messages(one: socket.socket) -> None:
    """Send at once, allow many streams, and be told of each message's stream."""
    one.setsockopt(IPPROTO_SCTP, _SCTP_NODELAY, 1)
    one.setsockopt(IPPROTO_SCTP, _SCTP_EVENTS, b"\x01" + bytes(7))
    with contextlib.suppress(OSError):  # of a connection that stands already
        streams = struct.pack("=HHHH", _MOST_STREAMS, _MOST_STREAMS, 0, 0)
        one.setsockopt(IPPROTO_SCTP, _SCTP_INITMSG, streams)


def _prepare_stream(one: socket.socket) -> None:
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Connection:
    """A client's connection and ours to the container, copied both ways with half-closes."""

    def __init__(
        self,
        loop: Loop,
        client: socket.socket,
        target: tuple[str, int],
        on_end: Callable[[Connection], None],
    ) -> None:
        self._loop, self._client, self._on_end = loop, client, on_end
        is_sctp = client.proto == IPPROTO_SCTP
        protocol = IPPROTO_SCTP if is_sctp else socket.IPPROTO_TCP
        family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        self._server = socket.socket(family, socket.SOCK_STREAM, protocol)
        self._connected = False
        try:
            for one in (client, self._server):
                one.setblocking(False)
                (prepare_messages if is_sctp else _prepare_stream)(one)
            with contextlib.suppress(BlockingIOError):
                self._server.connect(target)
        except OSError:
            self._server.close()
            raise
        half = MessageHalf if is_sctp else Half
        self._up: Half = half(client, self._server)
        self._down: Half = half(self._server, client)
        self._timer: Timer | None = loop.call_later(_CONNECT_PATIENCE, self.close)
        loop.watch(self._server.fileno(), WRITE, self._on_server)

    def close(self) -> None:
        """Hang up on both sides; closing twice is no error."""
        if self._timer is not None:
            self._timer.cancel()
        for one in (self._client, self._server):
            if one.fileno() >= 0:
                self._loop.forget(one.fileno())
                one.close()
        self._on_end(self)

    def _on_server(self, events: int) -> None:
        if not self._connected:
            if self._server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.close()
                return
            self._connected = True
            if self._timer is not None:
                self._timer.cancel()
        self._turn(events, self._down, self._up)

    def _on_client(self, events: int) -> None:
        self._turn(events, self._up, self._down)

    def _turn(self, events: int, incoming: Half, outgoing: Half) -> None:
        try:
            if events & WRITE:
                with contextlib.suppress(BlockingIOError):
                    outgoing.write()
            if events & (READ | HANGUP) and incoming.wants_input:
                with contextlib.suppress(BlockingIOError):
                    incoming.read()
                    incoming.write()
        except OSError:
            self.close()
            return
        if self._up.shut and self._down.shut:
            self.close()
            return
        self._watch(self._client, self._up, self._down, self._on_client)
        self._watch(self._server, self._down, self._up, self._on_server)

    def _watch(
        self, one: socket.socket, incoming: Half, outgoing: Half, handler: Callable[[int], None]
    ) -> None:
        wanted = READ if incoming.wants_input else 0
        wanted |= WRITE if outgoing.waiting or (outgoing.ended and not outgoing.shut) else 0
        if wanted:
            self._loop.watch(one.fileno(), wanted, handler)
        else:
            # Not even a hang-up is of interest now, and it would come again and again.
            self._loop.forget(one.fileno())
