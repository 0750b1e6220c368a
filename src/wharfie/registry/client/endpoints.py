"""Endpoints: under which URLs a registry is tried, in which order, with what trust.

A registry is asked over https. Only one that the operator lists as insecure, or that is on this
host, is asked over https without verification and then over http; what worked is remembered.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

from msgspec import Struct

from wharfie.registry.client.reach import Reach, reach_of
from wharfie.registry.client.settings import RegistrySettings, split_host
from wharfie.registry.client.trust import Trust
from wharfie.web.client import ConnectFailed, Dialer, TlsFailed, Url


class Endpoint(Struct, frozen=True):
    """One way to reach a registry.

    Attributes:
        url: scheme, host and port.
        tls: None for http.
        is_mirror: it is not the registry itself; the user's credentials are not for it.
    """

    url: Url
    tls: ssl.SSLContext | None
    is_mirror: bool = False


class Endpoints:
    """Finds endpoints."""

    def __init__(self, settings: RegistrySettings, dialer: Dialer) -> None:
        self._settings = settings
        self._dialer = dialer
        self._trust = Trust(settings.certs)
        self._plain: set[tuple[str, int]] = set()
        self._unverified: set[tuple[str, int]] = set()

    async def mirrors(self, domain: str) -> AsyncIterator[Endpoint]:
        """Endpoints of a registry's mirrors."""
        for url in self._settings.mirrors_of(domain):
            if url.scheme == "http":
                yield Endpoint(url, None, is_mirror=True)
                continue
            verify = not await self._is_insecure(url.host, url.port)
            tls = await self._trust.context(url.authority, verify=verify)
            yield Endpoint(url, tls, is_mirror=True)

    async def of(self, domain: str) -> AsyncIterator[Endpoint]:
        """Endpoints of a registry itself; the next one is asked for when one cannot connect."""
        only = self._settings.only.get(domain)
        if only is not None:
            verify = not self._settings.is_listed(only.host, only.port)
            secure = only.scheme == "https"
            context = await self._trust.context(only.authority, verify=verify) if secure else None
            yield Endpoint(only, context)
            return
        host, port = split_host(domain)
        async for endpoint in self._candidates(host, port):
            yield endpoint

    async def reach(self, endpoint: Endpoint) -> Reach:
        """Where what this endpoint names may lie."""
        url = endpoint.url
        addresses: list[str] = []
        if self._dialer.proxies.find(url) is None:
            addresses = await self._dialer.addresses(url.host, url.port)
        return reach_of(url.authority, addresses, self._settings)

    async def tls_for(self, url: Url, endpoint: Endpoint) -> ssl.SSLContext | None:
        """The trust for another URL an endpoint leads to."""
        if url.scheme == "http":
            return None
        if url.origin == endpoint.url.origin:
            return endpoint.tls
        insecure = await self._is_insecure(url.host, url.port)
        return await self._trust.context(url.authority, verify=not insecure)

    async def is_open_to_plain(self, url: Url) -> bool:
        """Tell whether http may be used with a host."""
        return await self._is_insecure(url.host, url.port)

    async def _candidates(self, host: str, port: int | None) -> AsyncIterator[Endpoint]:
        secure = Url("https", host, port or 443)
        plain = Url("http", host, port or 80)
        if not await self._is_insecure(host, port or 443):
            yield Endpoint(secure, await self._trust.context(secure.authority))
            return
        key = (host, port or 0)
        if key in self._plain:
            yield Endpoint(plain, None)
            self._plain.discard(key)  # whoever asks for more could not connect
        yield Endpoint(secure, await self._trust.context(secure.authority, verify=False))
        self._plain.add(key)
        yield Endpoint(plain, None)

    async def _is_insecure(self, host: str, port: int) -> bool:
        if not self._settings.insecure and "." in host and not host.startswith("127."):
            return False
        try:
            addresses = await self._dialer.addresses(host, port)
        except ConnectFailed:
            addresses = []
        return self._settings.is_insecure(host, port, addresses)


def may_go_on(error: Exception) -> bool:
    """Tell whether the next endpoint of an insecure registry is worth a try."""
    return isinstance(error, ConnectFailed) and not (
        isinstance(error, TlsFailed) and error.is_untrusted
    )
