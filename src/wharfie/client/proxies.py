"""Proxies on the way to a TCP daemon, from the environment as Docker's client finds them.

What goes over TLS is tunnelled by CONNECT, and so is a connection the daemon is to hand over; other
requests are sent to the proxy with their whole URL. To be handed a connection Docker's client goes
past the proxy; ours does so only when the proxy refuses a tunnel.

Source: Go, net/http.ProxyFromEnvironment; RFC 9110 section 9.3.6; RFC 1928 and 1929 for SOCKS.
"""

from __future__ import annotations

import _socket
import base64

from wharfie.client.dialing import connect_tcp
from wharfie.client.errors import TransportError
from wharfie.formats.noproxy import is_excepted, split_exceptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharfie.client.endpoint import Endpoint

_PORTS = {"http": 80, "socks5": 1080, "socks5h": 1080}
_MOST_HEAD = 16384
_HEX = "0123456789abcdefABCDEF"
_SOCKS_FAILURES = {
    1: "general SOCKS server failure",
    2: "connection not allowed by ruleset",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}


class TunnelRefused(TransportError):
    """The proxy makes no tunnel to there."""


class Proxy:
    """A proxy: how it is spoken to, where it is, and who we are to it."""

    def __init__(self, text: str) -> None:
        """Read its URL; without a scheme it is an HTTP one.

        Raises:
            TransportError: no such URL, or a scheme that is not spoken.
        """
        self.scheme, found, rest = text.partition("://")
        if not found:
            self.scheme, rest = "http", text
        user, at, place = rest.split("/", 1)[0].rpartition("@")
        host, colon, port = place.rpartition(":")
        if not colon or place.endswith("]"):
            host, port = place, ""
        if self.scheme not in _PORTS:
            raise TransportError(
                f"invalid proxy address {text!r}: scheme {self.scheme} is not spoken by this "
                "client (http, socks5 and socks5h are)"
            )
        if not host or (port and not (port.isascii() and port.isdigit())):
            raise TransportError(f"invalid proxy address {text!r}")
        self.host = host.strip("[]")
        self.port = int(port or _PORTS[self.scheme])
        name, _, password = user.partition(":")
        self.user = (_unquote(name), _unquote(password)) if at else None

    @property
    def authorization(self) -> str:
        """The header line that says who we are, "" without."""
        if self.user is None:
            return ""
        pair = base64.b64encode(":".join(self.user).encode()).decode()
        return f"Proxy-Authorization: Basic {pair}\r\n"

    def connect(self) -> _socket.socket:
        """Connect to it."""
        try:
            return connect_tcp(self.host, self.port)
        except TransportError as error:
            raise TransportError(
                f"proxyconnect tcp: {error}", kind=error.kind, cause=error.cause
            ) from None

    def tunnel(self, endpoint: Endpoint) -> _socket.socket:
        """Connect through it.

        Raises:
            TunnelRefused: it does not want to.
        """
        sock = self.connect()
        try:
            if self.scheme == "http":
                self._ask_http(sock, endpoint)
            else:
                self._ask_socks(sock, endpoint)
        except OSError as error:
            sock.close()
            raise TransportError(f"proxyconnect tcp: {error.strerror or error}") from None
        except TransportError:
            sock.close()
            raise
        return sock

    def _ask_http(self, sock: _socket.socket, endpoint: Endpoint) -> None:
        place = endpoint.host_header
        head = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{self.authorization}\r\n"
        sock.sendall(head.encode("latin-1", "replace"))
        answer = b""
        # What comes after the head is the daemon's: a byte at a time, so that none of it is taken.
        while not answer.endswith(b"\r\n\r\n"):
            piece = sock.recv(1)
            if not piece or len(answer) > _MOST_HEAD:
                raise TransportError("proxyconnect tcp: unexpected EOF")
            answer += piece
        status = answer.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")[2]
        if not status.startswith("2"):
            raise TunnelRefused(status.partition(" ")[2] or status)

    def _ask_socks(self, sock: _socket.socket, endpoint: Endpoint) -> None:
        sock.sendall(b"\x05\x02\x00\x02" if self.user else b"\x05\x01\x00")
        chosen = _exactly(sock, 2)[1]
        if chosen == 2 and self.user is not None:
            name, password = (one.encode()[:255] for one in self.user)
            sock.sendall(b"\x01" + bytes((len(name),)) + name + bytes((len(password),)) + password)
            if _exactly(sock, 2)[1]:
                raise TunnelRefused("socks connect: username/password authentication failed")
        elif chosen:
            raise TunnelRefused("socks connect: no acceptable authentication methods")
        host = endpoint.host.encode("ascii" if endpoint.host.isascii() else "idna")
        if len(host) > 255:
            raise TunnelRefused("socks connect: FQDN too long")
        request = b"\x05\x01\x00\x03" + bytes((len(host),)) + host
        sock.sendall(request + endpoint.port.to_bytes(2, "big"))
        _, code, _, kind = _exactly(sock, 4)
        if code:
            raise TunnelRefused(f"socks connect: {_SOCKS_FAILURES.get(code, f'code {code}')}")
        _exactly(sock, {1: 4, 4: 16}.get(kind) or _exactly(sock, 1)[0])
        _exactly(sock, 2)


def find_proxy(endpoint: Endpoint, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy to a TCP endpoint, None for none.

    Raises:
        TransportError: what is named is no proxy.
    """
    names = ("HTTPS_PROXY", "https_proxy") if endpoint.tls else ("HTTP_PROXY", "http_proxy")
    text = next((environment[name] for name in names if environment.get(name)), "").strip()
    if not text:
        return None
    if endpoint.tls is None and environment.get("REQUEST_METHOD"):
        raise TransportError(
            "refusing to use HTTP_PROXY value in CGI environment; see golang.org/s/cgihttpproxy"
        )
    listed = environment.get("NO_PROXY") or environment.get("no_proxy") or ""
    if is_excepted(endpoint.host, endpoint.port, split_exceptions(listed)):
        return None
    return Proxy(text)


def _exactly(sock: _socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise TransportError("socks connect: unexpected EOF")
        data += piece
    return data


def _unquote(text: str) -> str:
    first, *rest = text.split("%")
    data = first.encode()
    for part in rest:
        if len(part) >= 2 and part[0] in _HEX and part[1] in _HEX:
            data += bytes((int(part[:2], 16),)) + part[2:].encode()
        else:
            data += b"%" + part.encode()
    return data.decode("utf-8", "replace")
