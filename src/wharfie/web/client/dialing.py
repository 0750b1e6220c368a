"""Making connections: names to addresses, a choice of them, proxies, TLS.

An address is looked up, shown to the caller's check, and then connected to: what was checked is
what is used, whatever a name server answers the next time.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import socket
import ssl
from collections.abc import Callable

from msgspec import Struct

from wharfie.formats.noproxy import is_excepted, split_exceptions
from wharfie.web.client.connection import Connection
from wharfie.web.client.errors import ConnectFailed, MalformedReply, TlsFailed
from wharfie.web.client.stream import Stream
from wharfie.web.client.url import InvalidUrl, Url, parse_url

Check = Callable[[str, ipaddress.IPv4Address | ipaddress.IPv6Address], None]
"""Told of a host and one of its addresses; refuses by raising."""

_PLAIN_REASONS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST"})


class Proxy(Struct, frozen=True):
    """A proxy, and the Proxy-Authorization it wants ("" for none)."""

    url: Url
    authorization: str = ""


class Proxies(Struct, frozen=True):
    """Which proxy serves which URL.

    Attributes:
        http: for http URLs, None for none.
        https: for https URLs.
        exceptions: `NO_PROXY`: hosts, `.suffixes`, addresses, CIDRs, `host:port`, `*`.
    """

    http: Proxy | None = None
    https: Proxy | None = None
    exceptions: tuple[str, ...] = ()

    @classmethod
    def of(cls, *, http: str = "", https: str = "", exceptions: str = "") -> Proxies:
        """From the values of HTTP_PROXY, HTTPS_PROXY and NO_PROXY.

        Raises:
            InvalidUrl: a proxy is not an http URL.
        """
        return cls(_proxy(http), _proxy(https), split_exceptions(exceptions))

    def find(self, url: Url) -> Proxy | None:
        """The proxy for a URL; loopback hosts never have one. Source: Go net/http."""
        proxy = self.https if url.scheme == "https" else self.http
        return None if is_excepted(url.host, url.port, self.exceptions) else proxy


class Dialer:
    """Opens connections.

    Args:
        proxies: which URLs go through which proxy.
        timeout: seconds for one address, TLS included.
        stall: see `Connection`.
        resolve: looks names up; None for the system's resolver.
    """

    def __init__(
        self,
        *,
        proxies: Proxies | None = None,
        timeout: float = 15.0,
        stall: float = 60.0,
        resolve: Callable[[str, int], list[str]] | None = None,
    ) -> None:
        self.proxies = proxies or Proxies()
        self._timeout = timeout
        self._stall = stall
        self._resolve = resolve or _look_up

    async def dial(self, url: Url, tls: ssl.SSLContext | None, check: Check | None) -> Connection:
        """Connect to a URL's server; `tls` is used for https.

        Raises:
            ConnectFailed: name, route, time or proxy.
            TlsFailed: the handshake.
        """
        proxy = self.proxies.find(url)
        if proxy is not None:
            address = parse_address(url.host)
            if check is not None and address is not None:
                check(url.host, address)
            return await self._through(proxy, url, tls)
        context = tls if url.scheme == "https" else None
        return await self._direct(url, context, check)

    async def _direct(
        self, url: Url, tls: ssl.SSLContext | None, check: Check | None
    ) -> Connection:
        failure: ConnectFailed | None = None
        for text in await self.addresses(url.host, url.port):
            address = ipaddress.ip_address(text.partition("%")[0])
            if check is not None:
                check(url.host, address)
            try:
                stream = await self._open(url, text, tls)
            except TlsFailed:
                raise
            except ConnectFailed as error:
                failure = failure or error
            else:
                return Connection(stream, stall=self._stall, peer=url.authority)
        raise failure or ConnectFailed(f"dial tcp: lookup {url.host}: no such host")

    async def addresses(self, host: str, port: int) -> list[str]:
        """Addresses of a host.

        Raises:
            ConnectFailed: the name cannot be looked up.
        """
        if parse_address(host) is not None:
            return [host]
        try:
            return await asyncio.to_thread(self._resolve, host, port)
        except socket.gaierror as error:
            if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)):
                reason = "no such host"
            else:
                reason = str(error.strerror).lower()
            raise ConnectFailed(f"dial tcp: lookup {host}: {reason}") from None
        except UnicodeError:
            raise ConnectFailed(f"dial tcp: lookup {host}: no such host") from None

    async def _open(self, url: Url, address: str, tls: ssl.SSLContext | None) -> Stream:
        where = f"[{address}]:{url.port}" if ":" in address else f"{address}:{url.port}"
        try:
            async with asyncio.timeout(self._timeout):
                _, stream = await asyncio.get_running_loop().create_connection(
                    Stream, address, url.port, ssl=tls, server_hostname=url.host if tls else None
                )
                return stream
        except TimeoutError:
            raise ConnectFailed(f"dial tcp {where}: i/o timeout") from None
        except ssl.SSLError as error:
            raise tls_failure(error) from error
        except OSError as error:
            raise ConnectFailed(f"dial tcp {where}: connect: {_reason(error)}") from None

    async def _through(self, proxy: Proxy, url: Url, tls: ssl.SSLContext | None) -> Connection:
        """Through a proxy: a tunnel for https, requests with whole URLs for http."""
        connection_url = proxy.url
        failure: ConnectFailed | None = None
        for text in await self.addresses(connection_url.host, connection_url.port):
            try:
                stream = await self._open(connection_url, text, None)
            except ConnectFailed as error:
                failure = failure or error
                continue
            peer = f"proxy {connection_url.authority}"
            connection = Connection(stream, stall=self._stall, peer=peer)
            if url.scheme == "http":
                return connection
            try:
                await self._tunnel(connection, proxy, url)
                async with asyncio.timeout(self._timeout):
                    await stream.start_tls(tls or ssl.create_default_context(), url.host)
            except BaseException as error:
                connection.close()
                if isinstance(error, TimeoutError):
                    raise ConnectFailed(f"proxyconnect {peer}: i/o timeout") from None
                if isinstance(error, ssl.SSLError):
                    raise tls_failure(error) from error
                if isinstance(error, OSError):
                    raise ConnectFailed(f"proxyconnect {peer}: {_reason(error)}") from None
                raise
            return Connection(stream, stall=self._stall, peer=url.authority)
        raise ConnectFailed(f"proxyconnect tcp: {failure or 'no address'}")

    async def _tunnel(self, connection: Connection, proxy: Proxy, url: Url) -> None:
        host = f"[{url.host}]" if ":" in url.host else url.host
        where = f"{host}:{url.port}"
        lines = [f"CONNECT {where} HTTP/1.1", f"Host: {where}"]
        if proxy.authorization:
            lines.append(f"Proxy-Authorization: {proxy.authorization}")
        await connection.send("\r\n".join([*lines, "", ""]).encode("latin-1"), None)
        try:
            # As to a HEAD: what follows a 200 is the tunnel, no body.
            reply = await connection.receive("HEAD")
        except MalformedReply as error:
            raise ConnectFailed(f"proxyconnect tcp: {error}") from None
        if reply.status != 200:
            raise ConnectFailed(f"proxyconnect tcp: the proxy answered {reply.status}")


def parse_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address a host literally is, None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def tls_failure(error: ssl.SSLError) -> TlsFailed:
    """A handshake's failure in Go's words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = f"tls: failed to verify certificate: {error.verify_message}"
        return TlsFailed(text, is_plain=False, is_untrusted=True)
    if (error.reason or "") in _PLAIN_REASONS:
        text = "http: server gave HTTP response to HTTPS client"
        return TlsFailed(text, is_plain=True, is_untrusted=False)
    reason = (error.reason or str(error)).lower().replace("_", " ")
    return TlsFailed(f"tls: {reason}", is_plain=False, is_untrusted=False)


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _reason(error: OSError) -> str:
    # asyncio words its own; the errno tells what the kernel said.
    import os  # noqa: PLC0415 - only here

    return os.strerror(error.errno).lower() if error.errno else str(error)


def _proxy(text: str) -> Proxy | None:
    text = text.strip()
    if not text:
        return None
    if "://" not in text:
        text = f"http://{text}"
    scheme, _, rest = text.partition("://")
    user, at, host = rest.rpartition("@")
    url = parse_url(f"{scheme}://{host}")
    if url.scheme != "http":
        raise InvalidUrl("only http:// proxies are supported")
    from urllib.parse import unquote  # noqa: PLC0415 - once at start

    pair = base64.b64encode(unquote(user).encode()).decode()
    return Proxy(url, f"Basic {pair}" if at else "")
