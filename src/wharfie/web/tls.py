"""TLS between a socket's transport and a protocol, with half-close in both directions.

asyncio's and uvloop's own TLS close the whole connection at the client's close_notify, which
loses the output of `docker run -i` once its input has ended. Here close_notify is what FIN is
to TCP: it ends one direction. The first byte of a connection is looked at before TLS begins, so
that a plain HTTP client is told what is wrong. Source: RFC 8446 section 6.1; spikes.md §1.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import cast

from wharfie.model.tls import TlsSource

_log = logging.getLogger(__name__)
_HANDSHAKE = 0x16
_RECORD = 16384
_SMALLEST = 1024
_LINGER = 1.0
PLAIN_HTTP_REFUSAL = (
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
)


class TlsLayer(asyncio.Protocol):
    """The TLS state of one server-side connection.

    Args:
        source: has the server's context; one that changes during a handshake ends it, for the new
            one might not admit this client.
        make_protocol: called after the handshake, with the TLS object for the peer's identity.
        changed: told of the layer when it begins, has shaken hands, and is gone.
    """

    def __init__(
        self,
        source: TlsSource,
        make_protocol: Callable[[asyncio.Transport, ssl.SSLObject], asyncio.Protocol],
        *,
        changed: Callable[[TlsLayer], None],
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._source = source
        self._tls = source.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._make_protocol = make_protocol
        self._changed = changed
        self._raw: asyncio.Transport
        self._is_first = True
        self._has_eof = False
        self._is_closed = False
        self._backlog = bytearray()
        self.protocol: asyncio.Protocol | None = None

    def abort(self) -> None:
        """Close without ceremony."""
        self._raw.abort()

    def peer_certificate(self) -> bytes | None:
        """The client's verified certificate in DER form, None without one."""
        if self.protocol is None or self._tls.context.verify_mode == ssl.CERT_NONE:
            return None
        return self._tls.getpeercert(binary_form=True)

    # asyncio.Protocol, towards the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with a connected socket transport."""
        # uvloop's transports do not derive from asyncio's classes.
        self._raw = cast(asyncio.Transport, transport)
        self._changed(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes off the wire."""
        if self._is_first:
            self._is_first = False
            if data[0] != _HANDSHAKE:
                self._refuse_plain()
                return
        if self._is_closed:
            return
        self._incoming.write(data)
        if self.protocol is None and not self._shake_hands():
            return
        if self._backlog:
            self.write(b"")
        self._deliver()

    def eof_received(self) -> bool:
        """FIN without close_notify: many clients end their input that way, so it counts as EOF."""
        if self.protocol is None or self._is_closed:
            return False
        self._tell_eof()
        return not self._is_closed

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._is_closed = True
        self._changed(self)
        if self.protocol is not None:
            self.protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """The socket's buffer is full."""
        if self.protocol is not None:
            self.protocol.pause_writing()

    def resume_writing(self) -> None:
        """The socket's buffer has room again."""
        if self.protocol is not None:
            self.protocol.resume_writing()

    # Towards the protocol above, by TlsTransport

    @property
    def raw(self) -> asyncio.Transport:
        """The socket's transport."""
        return self._raw

    @property
    def is_closed(self) -> bool:
        """True once nothing can be written any more."""
        return self._is_closed

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        if self._is_closed:
            return
        if self._backlog:
            self._backlog += data
            data = bytes(self._backlog)
            self._backlog.clear()
        try:
            if data:
                self._tls.write(data)
        except ssl.SSLWantReadError:
            # A renegotiation or key update stands in between; the next input continues it.
            self._backlog += data
        except ssl.SSLError as error:
            _log.debug("TLS write failed: %s", error)
            self._raw.abort()
            return
        self._flush()

    def write_eof(self) -> None:
        """Send close_notify; the other direction stays open."""
        if self._is_closed:
            return
        # Our half of the shutdown is sent, then the library looks for the peer's, which may
        # come much later or already have come.
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()

    def close(self) -> None:
        """Send close_notify, flush and close."""
        if not self._is_closed:
            self.write_eof()
            self._is_closed = True
            self._raw.close()

    def _refuse_plain(self) -> None:
        """Tell a plain client, and read on for a while: a reset would overtake the answer."""
        self._is_closed = True
        self._raw.write(PLAIN_HTTP_REFUSAL)
        self._raw.write_eof()
        asyncio.get_running_loop().call_later(_LINGER, self._raw.abort)

    def _shake_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as error:
            _log.info(
                "TLS handshake error from %s: %s", self._raw.get_extra_info("peername"), error
            )
            self._flush()
            self._is_closed = True
            self._raw.close()
            return False
        self._flush()
        if self._tls.context is not self._source.context:
            _log.info("certificates were read again during a handshake: it has to be repeated")
            self._is_closed = True
            self._raw.close()
            return False
        if self._tls.session_reused and has_ended(self._tls.getpeercert(), time.time()):
            _log.info("a resumed session's certificate has expired meanwhile")
            self._is_closed = True
            self._raw.close()
            return False
        transport = TlsTransport(self)
        self.protocol = self._make_protocol(transport, self._tls)
        self._changed(self)
        self.protocol.connection_made(transport)
        return True

    def _deliver(self) -> None:
        """Decrypt all that came, and pass it on in one piece."""
        assert self.protocol is not None
        incoming, tls = self._incoming, self._tls
        pieces: list[bytes] = []
        has_ended = False
        while incoming.pending or tls.pending():
            try:
                data = tls.read(max(_SMALLEST, min(incoming.pending, _RECORD)))
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                data = b""
            except ssl.SSLError as error:
                _log.debug("TLS read failed: %s", error)
                self._flush()
                self._raw.abort()
                return
            if not data:
                has_ended = True
                break
            pieces.append(data)
        if pieces and not self._is_closed:
            self.protocol.data_received(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if has_ended and not self._is_closed:
            self._tell_eof()
        self._flush()

    def _tell_eof(self) -> None:
        if not self._has_eof and self.protocol is not None:
            self._has_eof = True
            if not self.protocol.eof_received():
                self.close()

    def _flush(self) -> None:
        if self._outgoing.pending:
            data = self._outgoing.read()
            if not self._raw.is_closing():
                self._raw.write(data)


def has_ended(certificate: Mapping[str, object] | None, now: float) -> bool:
    """Tell whether a certificate, as `getpeercert` describes it, has expired by `now`.

    A handshake looks at dates; a resumed session of TLS 1.2 does not, for up to two hours.
    """
    end = (certificate or {}).get("notAfter")
    return isinstance(end, str) and ssl.cert_time_to_seconds(end) < now


class TlsTransport(asyncio.Transport):
    """What a protocol above TLS writes to."""

    def __init__(self, layer: TlsLayer) -> None:
        super().__init__()
        self._layer = layer

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        self._layer.write(bytes(data))

    def writelines(self, list_of_data: object) -> None:
        """Encrypt and send several pieces."""
        self._layer.write(b"".join(cast(list[bytes], list_of_data)))

    def write_eof(self) -> None:
        """Send close_notify."""
        self._layer.write_eof()

    def can_write_eof(self) -> bool:
        """Half-close is possible."""
        return True

    def close(self) -> None:
        """Flush and close."""
        self._layer.close()

    def abort(self) -> None:
        """Close at once."""
        self._layer.raw.abort()

    def is_closing(self) -> bool:
        """True once closing has begun."""
        return self._layer.is_closed or self._layer.raw.is_closing()

    def pause_reading(self) -> None:
        """Read no more of the socket."""
        if not self.is_closing():
            self._layer.raw.pause_reading()

    def resume_reading(self) -> None:
        """Read the socket again."""
        if not self.is_closing():
            self._layer.raw.resume_reading()

    def get_write_buffer_size(self) -> int:
        """Bytes that wait for the socket."""
        return self._layer.raw.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the marks of flow control."""
        self._layer.raw.set_write_buffer_limits(high=high, low=low)

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Facts of the socket."""
        return self._layer.raw.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Replace the protocol above."""
        assert isinstance(protocol, asyncio.Protocol)
        self._layer.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol above."""
        assert self._layer.protocol is not None
        return self._layer.protocol
