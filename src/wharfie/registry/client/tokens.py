"""Authentication: challenges answered with passwords or tokens, tokens kept while they last.

A password goes to the registry itself (Basic), or to the realm the registry names (Bearer): over
https, unless the registry itself was reached without. Source: the distribution specification's
token and OAuth2 pages; behaviours 134.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Sequence
from urllib.parse import urlencode

from msgspec import Struct, field

from wharfie.formats.authenticate import Challenge, parse_challenges
from wharfie.formats.oci.document import DocumentError, decode
from wharfie.model.errors import Unauthorized
from wharfie.model.registry import Credentials, RegistryMisbehaves
from wharfie.registry.client.endpoints import Endpoint, Endpoints
from wharfie.registry.client.refusals import Refused, refusal
from wharfie.web.client import Client, ClientRequest, InvalidUrl, Url

_CLIENT_ID = "docker"
_DEFAULT_LIFE = 60.0
_SLACK = 10.0
_MAX_REPLY = 1 << 20
_MAX_TOKENS = 1000


class Token(Struct, frozen=True):
    """A bearer token; `expires` on the monotonic clock."""

    text: str
    expires: float
    refresh: str = ""


class _Reply(Struct, frozen=True):
    token: str = ""
    access_token: str = ""
    refresh_token: str = ""
    expires_in: float = _DEFAULT_LIFE
    details: str = ""
    errors: list[object] = field(default_factory=list)


class Tokens:
    """All tokens of the process, by realm, service, scope and credentials."""

    def __init__(self, client: Client, endpoints: Endpoints) -> None:
        self._client = client
        self._endpoints = endpoints
        self._known: dict[tuple[str, ...], Token] = {}
        self._locks: dict[tuple[str, ...], asyncio.Lock] = {}

    async def get(
        self,
        challenge: Challenge,
        endpoint: Endpoint,
        credentials: Credentials,
        scopes: Sequence[str],
        *,
        fresh: bool = False,
        offline: bool = False,
    ) -> Token:
        """A token for a Bearer challenge.

        Args:
            challenge: with realm and service.
            endpoint: whose challenge it is.
            credentials: the user's.
            scopes: what is to be done.
            fresh: the known one was refused.
            offline: ask for an identity token too (login).

        Raises:
            Unauthorized: the realm refuses the credentials.
            RegistryMisbehaves: a realm that may not be followed, or no token in its reply.
        """
        realm, service = challenge.parameters.get("realm", ""), challenge.parameters.get("service")
        key = (realm, service or "", _fingerprint(credentials), *scopes)
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            known = self._known.get(key)
            if known and not fresh and not offline and known.expires > time.monotonic():
                return known
            url = await self._realm(realm, endpoint)
            token = await self._fetch(
                url, service or "", endpoint, credentials, scopes, offline=offline
            )
            if len(self._known) >= _MAX_TOKENS:
                self._known.clear()
                self._locks.clear()
            self._known[key] = token
        return token

    async def _realm(self, realm: str, endpoint: Endpoint) -> Url:
        try:
            url = endpoint.url.joined(realm) if realm else None
        except InvalidUrl as error:
            raise RegistryMisbehaves(
                f"registry {endpoint.url.authority} names an auth realm that is refused: {error}"
            ) from None
        if url is None:
            raise RegistryMisbehaves(
                f"registry {endpoint.url.authority} asks for a token and names no realm"
            )
        if url.scheme == "http" and endpoint.url.scheme == "https":
            raise RegistryMisbehaves(
                f"registry {endpoint.url.authority} names an auth realm without TLS "
                f"({url.at(url.target.partition('?')[0])}): credentials are not sent there"
            )
        return url

    async def _fetch(
        self,
        url: Url,
        service: str,
        endpoint: Endpoint,
        credentials: Credentials,
        scopes: Sequence[str],
        *,
        offline: bool,
    ) -> Token:
        check = None
        if url.origin != endpoint.url.origin:
            check = await self._endpoints.reach(endpoint)
        tls = await self._endpoints.tls_for(url, endpoint)
        if credentials.identitytoken:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": credentials.identitytoken,
                "service": service,
                "client_id": _CLIENT_ID,
                "scope": " ".join(scopes),
            }
            request = ClientRequest(
                method="POST",
                url=url,
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                body=urlencode(form).encode(),
                tls=tls,
                check=check,
            )
        else:
            request = ClientRequest(
                method="GET",
                url=url.at(_with_query(url.target, service, credentials, scopes, offline)),
                headers=basic(credentials),
                tls=tls,
                check=check,
            )
        async with self._client.exchange(request) as reply:
            body = await reply.read(_MAX_REPLY)
            if reply.status != 200:
                refused = refusal(reply.status, reply.headers, body, str(url.at("/")))
                if reply.status in (400, 401, 403):
                    raise Unauthorized(str(refused))
                raise refused
        return _token(body, url)


class Authorizer:
    """Authorization for one user's requests to one endpoint."""

    def __init__(
        self,
        tokens: Tokens,
        endpoint: Endpoint,
        credentials: Credentials,
        scopes: Sequence[str],
    ) -> None:
        self._tokens = tokens
        self._endpoint = endpoint
        self._credentials = credentials
        self._scopes = list(scopes)
        self._challenge: Challenge | None = None
        self._value = ""
        self._expires = 0.0

    async def fields(self) -> dict[str, str]:
        """Fields for the next request; a token that ran out is renewed first."""
        if self._credentials.registrytoken:
            return {"Authorization": f"Bearer {self._credentials.registrytoken}"}
        challenge = self._challenge
        is_old = self._expires <= time.monotonic()
        if challenge is not None and challenge.scheme == "bearer" and is_old:
            await self._renew(challenge, fresh=False)
        return {"Authorization": self._value} if self._value else {}

    async def answer(self, challenges: str, *, again: bool) -> bool:
        """Prepare for another try after a 401; False: there is nothing better to show.

        Args:
            challenges: the WWW-Authenticate field.
            again: what `fields` gave was refused.
        """
        for challenge in parse_challenges(challenges):
            if challenge.scheme == "bearer":
                if again and self._challenge is None:
                    return False  # a registry token; there is no other
                self._challenge = challenge
                scope = challenge.parameters.get("scope", "")
                if not self._scopes and scope:
                    self._scopes = [scope]
                await self._renew(challenge, fresh=again)
                return True
            if challenge.scheme == "basic":
                value = basic(self._credentials).get("Authorization", "")
                if not value:
                    raise Unauthorized("no basic auth credentials")
                if again:
                    return False
                self._challenge, self._value = challenge, value
                return True
        return False

    async def identity_token(self) -> str:
        """A token to keep in the place of the password, "" where the realm has none."""
        challenge = self._challenge
        if challenge is None or challenge.scheme != "bearer" or not self._credentials.username:
            return ""
        token = await self._tokens.get(
            challenge, self._endpoint, self._credentials, self._scopes, offline=True
        )
        return token.refresh

    async def _renew(self, challenge: Challenge, *, fresh: bool) -> None:
        token = await self._tokens.get(
            challenge, self._endpoint, self._credentials, self._scopes, fresh=fresh
        )
        self._value, self._expires = f"Bearer {token.text}", token.expires


def basic(credentials: Credentials) -> dict[str, str]:
    """The Authorization field of a user and password; none for nobody."""
    if credentials.auth and not credentials.username:
        return {"Authorization": f"Basic {credentials.auth}"}
    if not credentials.username or credentials.identitytoken:
        return {}
    pair = f"{credentials.username}:{credentials.password}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _with_query(
    target: str, service: str, credentials: Credentials, scopes: Sequence[str], offline: bool
) -> str:
    query: list[tuple[str, str]] = [("service", service)] if service else []
    query += [("scope", scope) for scope in scopes]
    if credentials.username:
        query.append(("account", credentials.username))
    if offline:
        query += [("offline_token", "true"), ("client_id", _CLIENT_ID)]
    return f"{target}{'&' if '?' in target else '?'}{urlencode(query)}"


def _token(body: bytes, url: Url) -> Token:
    try:
        reply = decode(body, _Reply, what="token reply", limit=_MAX_REPLY)
    except DocumentError as error:
        raise RegistryMisbehaves(f"auth realm {url.authority}: {error}") from None
    text = reply.token or reply.access_token
    if not text or not text.isascii() or not text.isprintable():
        raise RegistryMisbehaves(
            f"auth realm {url.authority}: authorization server did not include a token in the "
            "response"
        )
    life = max(reply.expires_in, _DEFAULT_LIFE) - _SLACK
    return Token(text, time.monotonic() + life, reply.refresh_token)


def _fingerprint(credentials: Credentials) -> str:
    """Tells users apart without keeping their secrets."""
    parts = (credentials.username, credentials.password, credentials.auth)
    data = "\0".join((*parts, credentials.identitytoken)).encode()
    return hashlib.sha256(data).hexdigest()


__all__ = ["Authorizer", "Refused", "Token", "Tokens", "basic"]
