"""The client: exchanges over connections that are kept for the next one."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from msgspec import Struct, field

from wharfie.web.client.connection import Connection, Reply
from wharfie.web.client.dialing import Check, Dialer
from wharfie.web.client.errors import ConnectionLost, RequestError
from wharfie.web.client.url import Url
from wharfie.web.reply import encode_fields

_IDLE_SECONDS = 30.0
_IDLE_EACH = 8


class ClientRequest(Struct, frozen=True, kw_only=True):
    """One request.

    Attributes:
        body: sent with its length; None for none.
        stream: a body made piece by piece, of `length` bytes.
        tls: context for https; also part of what connections are told apart by.
        check: shown every address before it is connected to.
    """

    method: str
    url: Url
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    stream: AsyncIterator[bytes] | None = None
    length: int = 0
    tls: ssl.SSLContext | None = None
    check: Check | None = None


class Client:
    """Sends requests; one for the whole process."""

    def __init__(self, dialer: Dialer, *, agent: str) -> None:
        self._dialer = dialer
        self._agent = agent
        self._idle: dict[object, list[tuple[Connection, float]]] = {}

    @asynccontextmanager
    async def exchange(self, request: ClientRequest) -> AsyncIterator[Reply]:
        """Send a request; the reply is good inside the block.

        Raises:
            RequestError: no reply; statuses of any kind are replies.
        """
        connection, reply = await self._send(request)
        try:
            yield reply
        finally:
            if reply.can_reuse:
                self._keep(request, connection)
            else:
                connection.close()

    async def close(self) -> None:
        """Close what is idle."""
        idle = [connection for kept in self._idle.values() for connection, _ in kept]
        self._idle.clear()
        for connection in idle:
            connection.close()
        for connection in idle:
            await connection.wait_closed()

    async def _send(self, request: ClientRequest) -> tuple[Connection, Reply]:
        while (connection := self._take(request)) is not None:
            try:
                return connection, await self._try(connection, request)
            except ConnectionLost:
                # An idle connection may be closed at any time; a body cannot be sent twice.
                if request.stream is not None:
                    raise
        connection = await self._dialer.dial(request.url, request.tls, request.check)
        return connection, await self._try(connection, request)

    async def _try(self, connection: Connection, request: ClientRequest) -> Reply:
        try:
            head = self._head(request)
            try:
                await connection.send(head + (request.body or b""), request.stream)
            except ConnectionLost as lost:
                # A server may refuse before it has read all, and close.
                try:
                    return await connection.receive(request.method)
                except RequestError:
                    raise lost from None
            return await connection.receive(request.method)
        except BaseException:
            connection.close()
            raise

    def _head(self, request: ClientRequest) -> bytes:
        url = request.url
        proxy = self._dialer.proxies.find(url) if url.scheme == "http" else None
        target = str(url) if proxy else url.target
        fields = {
            "Host": url.authority,
            "User-Agent": self._agent,
            "Accept-Encoding": "identity",
            **request.headers,
        }
        if proxy and proxy.authorization:
            fields["Proxy-Authorization"] = proxy.authorization
        if request.body is not None or request.method in ("POST", "PUT", "PATCH"):
            length = request.length if request.stream is not None else len(request.body or b"")
            fields["Content-Length"] = str(length)
        line = f"{request.method} {target} HTTP/1.1\r\n".encode("ascii")
        return line + encode_fields(*fields.items()) + b"\r\n"

    def _take(self, request: ClientRequest) -> Connection | None:
        """An idle connection; streamed bodies get fresh ones, as they cannot be sent again."""
        if request.stream is not None:
            return None
        connections = self._idle.get(_key(request), [])
        oldest = asyncio.get_running_loop().time() - _IDLE_SECONDS
        while connections:
            connection, since = connections.pop()
            if since >= oldest and connection.is_open:
                return connection
            connection.close()
        return None

    def _keep(self, request: ClientRequest, connection: Connection) -> None:
        self._forget_old()
        connections = self._idle.setdefault(_key(request), [])
        if len(connections) < _IDLE_EACH:
            connections.append((connection, asyncio.get_running_loop().time()))
        else:
            connection.close()

    def _forget_old(self) -> None:
        oldest = asyncio.get_running_loop().time() - _IDLE_SECONDS
        for key, connections in list(self._idle.items()):
            young = []
            for connection, since in connections:
                if since >= oldest and connection.is_open:
                    young.append((connection, since))
                else:
                    connection.close()
            if young:
                self._idle[key] = young
            else:
                del self._idle[key]


def _key(request: ClientRequest) -> object:
    # A connection must not serve a request whose address another check would have refused.
    return (*request.url.origin, id(request.tls), request.check)
