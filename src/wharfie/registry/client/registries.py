"""All registries in reach: one client, one table of tokens, one set of settings."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from msgspec import Struct, field

from wharfie.formats.oci.document import MAX_DOCUMENT, DocumentError, decode
from wharfie.formats.reference import DEFAULT_DOMAIN, Reference
from wharfie.model.errors import EngineError, Internal, InvalidArgument, NotSupported, Unauthorized
from wharfie.model.registry import (
    AccessRefused,
    Credentials,
    Login,
    RegistryMisbehaves,
    RegistryUnreachable,
    SearchResult,
)
from wharfie.registry.client.asking import Asker
from wharfie.registry.client.catalogue import SCOPE, list_repositories
from wharfie.registry.client.endpoints import Endpoints
from wharfie.registry.client.refusals import Refused
from wharfie.registry.client.repository import RemoteRepository
from wharfie.registry.client.session import Session
from wharfie.registry.client.settings import HUB_SEARCH, RegistrySettings, domain_of
from wharfie.registry.client.tokens import Tokens
from wharfie.web.client import Client, Dialer

_MAX_REPLY = 64 << 10


class _Found(Struct, frozen=True):
    results: list[SearchResult] = field(default_factory=list)


class RemoteRegistries:
    """See `model.registry.Registries`. Made once; `close` frees what is idle."""

    def __init__(
        self, settings: RegistrySettings, *, agent: str, dialer: Dialer | None = None
    ) -> None:
        self._dialer = dialer or Dialer(proxies=settings.proxies, stall=settings.stall)
        self._client = Client(self._dialer, agent=agent)
        self.adopt(settings)

    def adopt(self, settings: RegistrySettings) -> None:
        """Take up changed settings; what is under way goes on with the old ones, proxies stay."""
        self._settings = settings
        self._endpoints = Endpoints(settings, self._dialer)
        self._tokens = Tokens(self._client, self._endpoints)

    async def close(self) -> None:
        """Close idle connections."""
        await self._client.close()

    def repository(
        self, reference: Reference, credentials: Credentials, *, push: bool = False
    ) -> RemoteRepository:
        """A repository to pull from or to push to."""
        asker = self._asker(reference.domain, credentials, mirrors=not push)
        return RemoteRepository(asker, self._settings, reference=reference, push=push)

    async def login(self, credentials: Credentials) -> Login:
        """Check credentials with the registry they are for."""
        domain = domain_of(credentials.serveraddress)
        if not domain:
            raise InvalidArgument(f"invalid registry address {credentials.serveraddress[:200]!r}")
        asker = self._asker(domain, credentials, mirrors=False)

        async def check(session: Session) -> Login:
            url = session.url("/v2/")
            try:
                async with session.exchange("GET", url) as (reply, final):
                    if reply.status != 200:
                        raise await session.refuse(reply, final)
                    await reply.read(_MAX_REPLY)
            except Unauthorized as error:
                raise Unauthorized(f'Get "{url}": {error}') from None
            except Refused as error:
                raise _login_failure(error, str(url)) from None
            return Login("Login Succeeded", await session.identity_token())

        return await asker.ask(check)

    async def catalogue(self, domain: str, credentials: Credentials) -> Sequence[str]:
        """Every repository a registry tells of.

        Raises:
            AccessRefused: it does not tell this user.
            NotSupported: it tells nobody.
            RegistryUnreachable: it does not answer.
        """
        asker = self._asker(domain, credentials, mirrors=False)
        try:
            return await asker.ask(list_repositories, (SCOPE,))
        except Unauthorized as error:
            raise AccessRefused(str(error)) from None
        except Refused as error:
            if error.status in (401, 403):
                raise AccessRefused(str(error)) from None
            if error.is_passing:
                raise RegistryUnreachable(str(error)) from None
            raise NotSupported(f"{domain} does not list its repositories: {error}") from None

    async def search(
        self, term: str, credentials: Credentials, *, limit: int
    ) -> Sequence[SearchResult]:
        """Ask a registry's search for repositories."""
        domain, slash, rest = term.partition("/")
        if not slash or not ("." in domain or ":" in domain or domain == "localhost"):
            domain, rest = DEFAULT_DOMAIN, term
        if domain in (DEFAULT_DOMAIN, "index.docker.io"):
            domain = HUB_SEARCH
        asker = self._asker(domain, credentials, mirrors=False)
        query = urlencode({"n": limit, "q": rest})

        async def get(session: Session) -> Sequence[SearchResult]:
            url = session.url(f"/v1/search?{query}")
            async with session.exchange("GET", url) as (reply, final):
                if reply.status != 200:
                    raise await session.refuse(reply, final)
                data = await reply.read(MAX_DOCUMENT)
            try:
                return decode(data, _Found, what="search reply").results[:limit]
            except DocumentError as error:
                raise RegistryMisbehaves(str(error)) from None

        try:
            return await asker.ask(get)
        except Refused as error:
            raise Internal(str(error)) from None

    def _asker(self, domain: str, credentials: Credentials, *, mirrors: bool) -> Asker:
        return Asker(
            self._client,
            self._endpoints,
            self._tokens,
            domain=domain,
            credentials=credentials,
            mirrors=mirrors,
        )


def _login_failure(error: Refused, url: str) -> EngineError:
    """A refused login in Docker's words. Source: behaviours 203."""
    text = f'Get "{url}": {error}'
    return Unauthorized(text) if error.status in (401, 403) else Internal(text)
