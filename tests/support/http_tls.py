"""A blocking TLS client that can end one direction only, as Go's does and Python's cannot."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress


class TlsClient:
    """A connected client; `recv` returns b"" at the server's close_notify or at a bare FIN."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        self.raw = raw
        self.clean_end = False
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._retry(self.tls.do_handshake)

    def sendall(self, data: bytes) -> None:
        self.tls.write(data)
        self._flush()

    def recv(self, size: int) -> bytes:
        try:
            data = self._retry(lambda: self.tls.read(size))
        except ssl.SSLZeroReturnError:
            data = b""
        except EOFError:
            return b""
        if not data:
            self.clean_end = True
        return data

    def end_writing(self) -> None:
        """Send close_notify and go on reading."""
        with suppress(ssl.SSLError):
            self.tls.unwrap()
        self._flush()

    def _retry(self, action):
        while True:
            try:
                result = action()
            except ssl.SSLWantReadError:
                self._flush()
                data = self.raw.recv(65536)
                if not data:
                    raise EOFError from None
                self._incoming.write(data)
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if self._outgoing.pending:
            self.raw.sendall(self._outgoing.read())
