"""All registries in reach: one client, one table of tokens, one set of settings."""

from __future__ import annotations

from wharfie.drivers.registry.endpoints import Endpoints
from wharfie.drivers.registry.repository import RemoteRepository
from wharfie.drivers.registry.settings import RegistrySettings
from wharfie.drivers.registry.tokens import Tokens
from wharfie.formats.reference import Reference
from wharfie.model.registry import Credentials, Repository
from wharfie.web.client import Client, Dialer


class RemoteRegistries:
    """See `model.registry.Registries`. Made once; `close` frees what is idle."""

    def __init__(
        self, settings: RegistrySettings, *, agent: str, dialer: Dialer | None = None
    ) -> None:
        self._settings = settings
        dialer = dialer or Dialer(proxies=settings.proxies, stall=settings.stall)
        self._client = Client(dialer, agent=agent)
        self._endpoints = Endpoints(settings, dialer)
        self._tokens = Tokens(self._client, self._endpoints)

    async def close(self) -> None:
        """Close idle connections."""
        await self._client.close()

    def repository(
        self, reference: Reference, credentials: Credentials, *, push: bool = False
    ) -> Repository:
        """A repository to pull from or to push to."""
        return RemoteRepository(
            self._client,
            self._endpoints,
            self._tokens,
            self._settings,
            reference=reference,
            credentials=credentials,
            push=push,
        )
