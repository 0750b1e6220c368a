"""A session: one user's requests to one endpoint, authenticated, redirects followed with care.

Credentials go to the endpoint only. A redirect may not leave https, may not lead to addresses
out of the registry's reach, and ends after a few steps. Source: users.md C4, C5.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from wharfie.model.registry import Credentials, RegistryMisbehaves
from wharfie.registry.client.endpoints import Endpoint, Endpoints
from wharfie.registry.client.reach import Reach
from wharfie.registry.client.refusals import refusal
from wharfie.registry.client.tokens import Authorizer, Tokens
from wharfie.web.client import Client, ClientRequest, InvalidUrl, Reply, Url

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 6
_MAX_ERROR = 64 << 10
_MAX_DRAIN = 64 << 10


class Session:
    """Sends requests to one endpoint.

    Args:
        client: sends them.
        endpoints: knows trust and reach.
        tokens: gets tokens.
        endpoint: where to.
        credentials: whose; a mirror is asked anonymously.
        scopes: what for: "repository:NAME:pull".
    """

    def __init__(
        self,
        client: Client,
        endpoints: Endpoints,
        tokens: Tokens,
        *,
        endpoint: Endpoint,
        credentials: Credentials,
        scopes: Sequence[str],
    ) -> None:
        self._client = client
        self._endpoints = endpoints
        self.endpoint = endpoint
        self._authorizer = Authorizer(tokens, endpoint, credentials, scopes)
        self._reach: Reach | None = None

    def url(self, target: str) -> Url:
        """A target of the endpoint; a mirror's may lie below a path."""
        return self.endpoint.url.at(self.endpoint.url.target.rstrip("/") + target)

    @asynccontextmanager
    async def exchange(
        self,
        method: str,
        url: Url,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> AsyncIterator[tuple[Reply, Url]]:
        """A request; the reply with the URL it came from in the end.

        Raises:
            Unauthorized: credentials are wanted or wrong.
            RegistryMisbehaves: it leads where nothing may be followed.
            RequestError: no reply.
        """
        async with AsyncExitStack() as stack:
            tries = 0
            seen: set[str] = set()
            while True:
                request = await self._request(method, url, headers or {}, body)
                at_home = url.origin == self.endpoint.url.origin
                # One reply at a time: what is not the answer is closed before the next try.
                inner = await stack.enter_async_context(AsyncExitStack())
                reply = await inner.enter_async_context(self._client.exchange(request))
                if reply.status == 401 and at_home and tries < 2:
                    challenges = reply.headers.get("www-authenticate", "")
                    had = "Authorization" in request.headers
                    tries += 1
                    if await self._authorizer.answer(challenges, again=had and tries > 1):
                        await _drain(reply)
                        await inner.aclose()
                        continue
                elif reply.status in _REDIRECTS and method in ("GET", "HEAD"):
                    seen.add(str(url))
                    url = await self._follow(reply, url, seen)
                    await inner.aclose()
                    continue
                yield reply, url
                return

    async def send_stream(
        self,
        method: str,
        url: Url,
        source: AsyncIterator[bytes],
        *,
        length: int,
        headers: Mapping[str, str],
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send a body that can be sent only once; status, fields and body of the reply."""
        request = await self._request(method, url, headers, None)
        request = ClientRequest(
            method=method,
            url=url,
            headers=request.headers,
            stream=source,
            length=length,
            tls=request.tls,
            check=request.check,
        )
        async with self._client.exchange(request) as reply:
            return reply.status, reply.headers, await reply.read(_MAX_ERROR)

    async def identity_token(self) -> str:
        """A token to keep in the place of the password, "" where the registry has none."""
        return await self._authorizer.identity_token()

    async def refuse(self, reply: Reply, url: Url) -> Exception:
        """The error a reply is."""
        body = b""
        if reply.length is None or reply.length <= _MAX_ERROR:
            body = await reply.read(_MAX_ERROR)
        return refusal(reply.status, reply.headers, body, str(url.at(url.target.partition("?")[0])))

    async def resolve(self, location: str, base: Url) -> Url:
        """A URL the endpoint names, as an upload's location; checked like a redirect."""
        try:
            url = base.joined(location)
        except InvalidUrl as error:
            raise self._misbehaves(f"leads to a URL that is refused: {error}") from None
        if url.scheme == "http" and base.scheme == "https":
            raise self._misbehaves(f"leads from https to http ({url.authority}): refused")
        return url

    async def _request(
        self, method: str, url: Url, headers: Mapping[str, str], body: bytes | None
    ) -> ClientRequest:
        if url.origin == self.endpoint.url.origin:
            fields = {**headers, **await self._authorizer.fields()}
            return ClientRequest(
                method=method, url=url, headers=fields, body=body, tls=self.endpoint.tls
            )
        tls: ssl.SSLContext | None = await self._endpoints.tls_for(url, self.endpoint)
        if self._reach is None:
            self._reach = await self._endpoints.reach(self.endpoint)
        return ClientRequest(
            method=method, url=url, headers=headers, body=body, tls=tls, check=self._reach
        )

    async def _follow(self, reply: Reply, url: Url, seen: set[str]) -> Url:
        location = reply.headers.get("location", "")
        await _drain(reply)
        if not location:
            raise self._misbehaves(f"sends a redirect ({reply.status}) that leads nowhere")
        target = await self.resolve(location, url)
        if str(target) in seen or len(seen) > _MAX_REDIRECTS:
            raise self._misbehaves("redirects in a loop: stopped")
        return target

    def _misbehaves(self, text: str) -> RegistryMisbehaves:
        return RegistryMisbehaves(f"registry {self.endpoint.url.authority} {text}")


async def _drain(reply: Reply) -> None:
    """Read a small body away, so that the connection can be used again."""
    if reply.length is not None and reply.length <= _MAX_DRAIN:
        async for _ in reply.chunks():
            pass
