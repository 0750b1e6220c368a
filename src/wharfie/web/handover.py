"""Handing a client's connection over to somebody else, with half-close working both ways.

A plain connection is handed over as a duplicate of its own socket: the event loop's transport
is closed without a shutdown, so nothing stands between client and taker. A TLS connection is
handed over as one end of a socket pair; a splice moves bytes between the other end and the TLS
layer until both directions have ended.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
from contextlib import suppress
from typing import cast

from wharfie.web.tls import TlsTransport

_SO_SNDBUFFORCE = 32
_SPLICE_BUFFER = 1 << 20
"""Bytes that may wait within a splice. With the 208 KiB that sockets have by themselves taker and
daemon wake each other for every piece: `bench/tls.py` measured half the throughput."""


async def hand_over(transport: asyncio.Transport, head: bytes, *, had_eof: bool) -> socket.socket:
    """Write the answer's head and give the connection away; the caller closes the socket.

    Args:
        transport: paused, its write buffer empty.
        head: written before anything the taker writes.
        had_eof: the client's EOF was seen already.
    """
    if isinstance(transport, TlsTransport):
        return await _splice(transport, head, had_eof=had_eof)
    held: socket.socket = transport.get_extra_info("socket")
    mine = socket.socket(fileno=os.dup(held.fileno()))
    try:
        mine.setblocking(False)
        # Written to the duplicate, for the transport may still queue what it is given.
        await asyncio.get_running_loop().sock_sendall(mine, head)
    except BaseException:
        mine.close()
        raise
    transport.abort()
    return mine


async def _splice(transport: TlsTransport, head: bytes, *, had_eof: bool) -> socket.socket:
    taken, ours = socket.socketpair()
    for one in (taken, ours):
        one.setblocking(False)
        with suppress(OSError):  # it takes a privilege to go beyond the system's bound
            one.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SPLICE_BUFFER)
    transport.set_write_buffer_limits(high=_SPLICE_BUFFER // 2)
    try:
        inside, outside = _Half(), _Half()
        inside.peer, outside.peer = outside, inside
        await asyncio.get_running_loop().create_unix_connection(lambda: inside, sock=ours)
    except BaseException:
        taken.close()
        ours.close()
        raise
    transport.write(head)
    outside.connection_made(transport)
    transport.set_protocol(outside)
    if had_eof:
        outside.eof_received()
    else:
        transport.resume_reading()
    return taken


class _Half(asyncio.Protocol):
    """One end of a splice; what it receives goes to its peer."""

    def __init__(self) -> None:
        self.peer: _Half | None = None
        self.transport: asyncio.Transport | None = None
        self.has_eof = False
        self._owes_eof = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's classes.
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        self.has_eof = True
        peer = self.peer
        if peer is None or peer.transport is None:
            return False
        if peer.has_eof or self._is_hung_up():
            # Both directions are over; closing flushes what is still to be written.
            peer.transport.close()
            return False
        peer.transport.write_eof()
        return True

    def _is_hung_up(self) -> bool:
        """Tell whether the other process closed its end, not only one direction of it."""
        transport = self.transport
        held = None if transport is None else transport.get_extra_info("socket")
        if held is None or isinstance(transport, TlsTransport):
            return False
        poll = select.poll()
        poll.register(held.fileno(), 0)
        return any(event & select.POLLHUP for _, event in poll.poll(0))

    def pause_writing(self) -> None:
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        peer = self.peer
        if peer is not None and peer.transport is not None and not peer.has_eof:
            with suppress(RuntimeError):
                peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 # the cause is moot
        peer, self.peer = self.peer, None
        self.transport = None
        if peer is not None and peer.transport is not None:
            peer.transport.close()
