"""Asking a registry: over its mirrors, then over its own endpoints, until one answers.

Mirrors are asked first and anonymously; whatever goes wrong there leads to the next endpoint.
Only the registry itself is told who the user is, and only its refusals reach the user.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar

from wharfie.model.errors import Unauthorized
from wharfie.model.registry import (
    ANONYMOUS,
    Credentials,
    RegistryMisbehaves,
    RegistryUnreachable,
)
from wharfie.registry.client.endpoints import Endpoint, Endpoints, may_go_on
from wharfie.registry.client.refusals import Refused
from wharfie.registry.client.session import Session
from wharfie.registry.client.tokens import Tokens
from wharfie.web.client import Client, RequestError

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Asker:
    """Asks one registry as one user.

    Args:
        client: sends requests.
        endpoints: finds endpoints.
        tokens: gets tokens.
        domain: the registry's name.
        credentials: whose.
        mirrors: whether mirrors will do.
    """

    def __init__(
        self,
        client: Client,
        endpoints: Endpoints,
        tokens: Tokens,
        *,
        domain: str,
        credentials: Credentials,
        mirrors: bool,
    ) -> None:
        self._client = client
        self._endpoints = endpoints
        self._tokens = tokens
        self._domain = domain
        self._credentials = credentials
        self._mirrors = mirrors
        self._sessions: dict[tuple[object, ...], Session] = {}
        self._chosen: Endpoint | None = None
        self._asked_mirror = False

    def distrust(self) -> bool:
        """Ask no mirror any more; False when none was asked."""
        if self._chosen is not None and self._chosen.is_mirror:
            self._chosen = None
        was_asked = self._mirrors and self._asked_mirror
        self._mirrors = False
        return was_asked

    async def ask(self, verb: Callable[[Session], Awaitable[T]], scopes: Sequence[str] = ()) -> T:
        """Do something with the endpoint that worked before, or the first that works.

        Args:
            verb: what to do; may be tried at several endpoints.
            scopes: what it needs to be allowed.

        Raises:
            Refused: the registry says no.
            Unauthorized: credentials are wanted, or wrong.
            RegistryUnreachable: nobody answers.
            RegistryMisbehaves: as `verb` finds.
        """
        failure: RequestError | None = None
        session: Session | None = None
        async for endpoint in self._candidates():
            session = self._session(endpoint, scopes)
            try:
                result = await verb(session)
            except (Refused, RequestError, Unauthorized, RegistryMisbehaves) as error:
                if endpoint.is_mirror:
                    _log.info("mirror %s: %s", endpoint.url.authority, error)
                    self._chosen = None
                    continue
                if not isinstance(error, RequestError):
                    raise
                if endpoint is self._chosen or not may_go_on(error):
                    raise _unreachable(session, error) from None
                failure = error
                continue
            self._chosen = endpoint
            self._asked_mirror |= endpoint.is_mirror
            return result
        raise _unreachable(session, failure)

    async def _candidates(self) -> AsyncIterator[Endpoint]:
        chosen = self._chosen
        if chosen is not None:
            yield chosen
            if not chosen.is_mirror:
                return
        if self._mirrors:
            async for endpoint in self._endpoints.mirrors(self._domain):
                if endpoint != chosen:
                    yield endpoint
        async for endpoint in self._endpoints.of(self._domain):
            yield endpoint

    def _session(self, endpoint: Endpoint, scopes: Sequence[str]) -> Session:
        key = (endpoint.url, endpoint.is_mirror, *scopes)
        session = self._sessions.get(key)
        if session is None:
            session = self._sessions[key] = Session(
                self._client,
                self._endpoints,
                self._tokens,
                endpoint=endpoint,
                credentials=ANONYMOUS if endpoint.is_mirror else self._credentials,
                scopes=scopes,
            )
        return session


def _unreachable(session: Session | None, error: RequestError | None) -> RegistryUnreachable:
    if session is None:
        return RegistryUnreachable("no endpoint to ask")
    return RegistryUnreachable(f'Get "{session.url("/v2/")}": {error}')
