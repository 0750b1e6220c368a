"""Copy between our standard streams and a hijacked connection.

One thread reads stdin and writes the connection, the main thread does the other direction, so
that neither side can stall the other.
"""

from __future__ import annotations

import _thread
import os

from wharfie.cli.context import is_terminal
from wharfie.cli.detach import Scanner
from wharfie.cli.terminal import RawMode, supports_raw
from wharfie.client.daemon import Hijacked
from wharfie.client.errors import TransportError
from wharfie.client.framing import STDERR, Demultiplexer

_CHUNK = 64 * 1024


class Relay:
    """One attachment.

    Args:
        hijacked: the connection.
        tty: whether output is raw; otherwise it comes in frames.
        stdin: whether our stdin is sent.
        detach_keys: the sequence that ends the attachment, looked for on terminals only.
    """

    def __init__(self, hijacked: Hijacked, *, tty: bool, stdin: bool, detach_keys: bytes) -> None:
        self._hijacked = hijacked
        self._tty = tty
        self._stdin = stdin
        self._scanner = Scanner(detach_keys) if tty and detach_keys else None
        self.detached = False

    def run(self) -> None:
        """Copy until the output ends or the user detaches.

        Raises:
            BrokenPipeError: nobody reads our output any more.
        """
        if self._stdin and self._tty and supports_raw() and is_terminal(0):
            with RawMode():
                self._copy()
        else:
            self._copy()

    def _copy(self) -> None:
        # Without input nothing is ended either: proxies such as nginx take the end of one direction
        # for the end of both, and the output would be lost.
        if self._stdin:
            _thread.start_new_thread(self._send_input, ())
        try:
            self._receive_output()
        except TransportError:
            if not self.detached:
                raise
        finally:
            if not self.detached:
                self._hijacked.stream.abort()

    def _receive_output(self) -> None:
        if self._tty:
            while data := self._hijacked.recv():
                write_all(1, data)
            return
        demultiplexer = Demultiplexer()
        while data := self._hijacked.recv():
            for stream, piece in demultiplexer.feed(data):
                write_all(2 if stream >= STDERR else 1, piece)

    def _send_input(self) -> None:
        stream = self._hijacked.stream
        try:
            while data := os.read(0, _CHUNK):
                if self._scanner is not None:
                    data, self.detached = self._scanner.feed(data)
                if data:
                    stream.send(data)
                if self.detached:
                    stream.abort()
                    return
            stream.close_write()
        except (OSError, TransportError):
            return  # the container has ended, or stdin is unreadable: output tells the rest


def write_all(descriptor: int, data: bytes) -> None:
    """Write everything."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
