"""Connect to an endpoint: a byte stream over a unix or TCP socket, with or without TLS.

Sockets come from `_socket`, the C half of the standard module: its Python half costs the command
line ten milliseconds it has no use for.
"""

from __future__ import annotations

import _socket
import errno
import os

from wharfie.client.endpoint import Endpoint
from wharfie.client.errors import Cause, TransportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wharfie.client.proxies import Proxy

RECEIVE = 256 * 1024
_PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")
_CAUSES = {
    errno.ECONNREFUSED: Cause.REFUSED,
    errno.ENOENT: Cause.NO_SOCKET,
    errno.EACCES: Cause.DENIED,
    errno.EPERM: Cause.DENIED,
    errno.ETIMEDOUT: Cause.TIMED_OUT,
    errno.EHOSTUNREACH: Cause.UNREACHABLE,
    errno.ENETUNREACH: Cause.UNREACHABLE,
}
_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ENOENT: "no such file or directory",
    errno.EACCES: "permission denied",
    errno.EPERM: "operation not permitted",
    errno.ECONNRESET: "connection reset by peer",
    errno.EPIPE: "broken pipe",
    errno.ETIMEDOUT: "connection timed out",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.EINVAL: "invalid argument",
}


def error_words(error: OSError) -> str:
    """Describe an operating system error as Go does."""
    words = _WORDS.get(error.errno or 0)
    if words is not None:
        return words
    text = os.strerror(error.errno) if error.errno else str(error)
    return text[:1].lower() + text[1:]


class Stream:
    """A connected byte stream. Reading and writing may happen in two threads at once."""

    def __init__(self, sock: _socket.socket) -> None:
        self._sock = sock

    def recv(self, size: int = RECEIVE) -> bytes:
        """Return some bytes; empty at the end of the stream."""
        try:
            return self._sock.recv(size)
        except OSError as error:
            raise TransportError(f"read: {error_words(error)}", kind="read") from None

    def send(self, data: bytes) -> None:
        """Send everything."""
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise TransportError(f"write: {error_words(error)}", kind="write") from None

    def close_write(self) -> None:
        """Tell the other side that nothing more will come; reading goes on."""
        try:
            self._sock.shutdown(_socket.SHUT_WR)
        except OSError:
            return  # already gone: the reader will notice

    def abort(self) -> None:
        """End both directions, waking a reader in another thread."""
        try:
            self._sock.shutdown(_socket.SHUT_RDWR)
        except OSError:
            return  # already gone

    def close(self) -> None:
        """Let go of the socket."""
        self._sock.close()

    def fileno(self) -> int:
        """Return the descriptor, for poll."""
        return self._sock.fileno()


class ProxiedStream(Stream):
    """At its other end is a proxy, which is told of each request where it is to go.

    Attributes:
        base_url: what comes before each path.
        lines: further lines of each head.
    """

    def __init__(self, sock: _socket.socket, base_url: str, lines: str) -> None:
        super().__init__(sock)
        self.base_url = base_url
        self.lines = lines


def dial(endpoint: Endpoint, *, tunnel: bool = False) -> Stream:
    """Connect.

    Args:
        endpoint: to what.
        tunnel: if there is a proxy, it must not see what is said.

    Raises:
        TransportError: refused, unreachable, or the TLS handshake failed.
    """
    if endpoint.scheme == "unix":
        return Stream(_dial_unix(endpoint.path))
    if endpoint.scheme == "ssh":
        from wharfie.client.ssh import dial_ssh

        return dial_ssh(endpoint)
    if endpoint.tls is None:
        return _dial_plain(endpoint, tunnel=tunnel)
    sock = dial_tcp(endpoint)
    from wharfie.client.tls import secure

    return secure(sock, endpoint, endpoint.tls)


def _dial_unix(path: str) -> _socket.socket:
    if not hasattr(_socket, "AF_UNIX"):
        raise TransportError("protocol not available", kind="dial")
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except OSError as error:
        sock.close()
        kind = "denied" if error.errno in {errno.EACCES, errno.EPERM} else "dial"
        message = f"dial unix {path}: connect: {error_words(error)}"
        cause = _CAUSES.get(error.errno or 0, "")
        raise TransportError(message, kind=kind, cause=cause) from None
    return sock


def dial_tcp(endpoint: Endpoint) -> _socket.socket:
    """Connect a TCP socket to the endpoint's host and port, through a proxy if there is one."""
    proxy = _proxy(endpoint)
    return connect_tcp(endpoint.host, endpoint.port) if proxy is None else proxy.tunnel(endpoint)


def _dial_plain(endpoint: Endpoint, *, tunnel: bool) -> Stream:
    proxy = _proxy(endpoint)
    if proxy is None:
        return Stream(connect_tcp(endpoint.host, endpoint.port))
    if proxy.scheme == "http" and not tunnel:
        return ProxiedStream(proxy.connect(), endpoint.base_url, proxy.authorization)
    from wharfie.client.proxies import TunnelRefused

    try:
        return Stream(proxy.tunnel(endpoint))
    except TunnelRefused:
        if not tunnel:
            raise
        return Stream(connect_tcp(endpoint.host, endpoint.port))


def _proxy(endpoint: Endpoint) -> Proxy | None:
    """The proxy the environment names; nothing is loaded where it names none."""
    if not any(os.environ.get(name) for name in _PROXIES):
        return None
    from wharfie.client.proxies import find_proxy

    return find_proxy(endpoint, os.environ)


def connect_tcp(host: str, port: int) -> _socket.socket:
    """Connect a TCP socket.

    Raises:
        TransportError: no such name, or nobody there.
    """
    try:
        found = _socket.getaddrinfo(host, port, 0, _socket.SOCK_STREAM)
    except _socket.gaierror:
        message = f"dial tcp: lookup {host}: no such host"
        raise TransportError(message, kind="lookup", cause=Cause.UNRESOLVED) from None
    last: TransportError | None = None
    for family, kind, protocol, _, address in found:
        sock = _socket.socket(family, kind, protocol)
        try:
            sock.connect(address)
            sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            where = f"[{address[0]}]:{port}" if ":" in str(address[0]) else f"{address[0]}:{port}"
            refused = error.errno in {errno.ECONNREFUSED, errno.ETIMEDOUT}
            last = TransportError(
                f"dial tcp {where}: connect: {error_words(error)}",
                kind="dial" if refused else "other",
                cause=_CAUSES.get(error.errno or 0, ""),
            )
            continue
        return sock
    raise last or TransportError(f"dial tcp: lookup {host}: no such host", kind="lookup")
