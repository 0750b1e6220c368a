"""One repository of one registry, over whichever of its endpoints answers.

Mirrors are asked first and anonymously; whatever goes wrong there leads to the next endpoint.
Only the registry itself is told who the user is, and only its refusals reach the user.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar
from urllib.parse import quote

from msgspec import Struct, field

from wharfie.drivers.registry.download import Download
from wharfie.drivers.registry.endpoints import Endpoint, Endpoints, may_go_on
from wharfie.drivers.registry.refusals import Refused
from wharfie.drivers.registry.session import Session
from wharfie.drivers.registry.settings import RegistrySettings
from wharfie.drivers.registry.tokens import Tokens
from wharfie.drivers.registry.upload import Upload
from wharfie.formats.digest import DigestError, parse_digest, sha256_digest
from wharfie.formats.oci.descriptor import INDEXES, MANIFESTS
from wharfie.formats.oci.document import MAX_DOCUMENT, DocumentError, decode
from wharfie.formats.reference import Reference, is_tag
from wharfie.model.content import Descriptor, PartialBlob
from wharfie.model.errors import EngineError, Internal, NotFound, Unauthorized
from wharfie.model.ids import Digest
from wharfie.model.registry import (
    ANONYMOUS,
    Credentials,
    RegistryMisbehaves,
    RegistryUnreachable,
    RemoteManifest,
)
from wharfie.web.client import Client, RequestError, Url

T = TypeVar("T")
_log = logging.getLogger(__name__)

ACCEPT = ", ".join(sorted(MANIFESTS | INDEXES))
_GENERIC = frozenset({"", "application/json", "text/plain", "application/octet-stream"})
_MAX_TAGS = 100_000
_MAX_PAGES = 1000


class _Tags(Struct, frozen=True):
    tags: list[str] = field(default_factory=list)


class RemoteRepository:
    """See `model.registry.Repository`."""

    def __init__(
        self,
        client: Client,
        endpoints: Endpoints,
        tokens: Tokens,
        settings: RegistrySettings,
        *,
        reference: Reference,
        credentials: Credentials,
        push: bool,
    ) -> None:
        self._client = client
        self._endpoints = endpoints
        self._tokens = tokens
        self._settings = settings
        self._reference = reference
        self._credentials = credentials
        self._push = push
        self._scopes = [f"repository:{reference.path}:{'pull,push' if push else 'pull'}"]
        self._sessions: dict[tuple[object, ...], Session] = {}
        self._chosen: Session | None = None

    async def manifest(self, ref: str) -> RemoteManifest:
        """A manifest by tag or digest."""

        async def get(session: Session) -> RemoteManifest:
            return await self._get_manifest(session, ref)

        return await self._ask(get)

    async def tags(self) -> Sequence[str]:
        """All tags."""
        return await self._ask(self._list_tags)

    async def document(self, descriptor: Descriptor, limit: int) -> bytes:
        """A small blob, verified."""
        if descriptor.size > limit:
            raise RegistryMisbehaves(
                f"blob {descriptor.digest} has {descriptor.size} bytes, "
                f"at most {limit} are accepted"
            )

        async def get(session: Session) -> bytes:
            return await self._get_document(session, descriptor)

        return await self._ask(get)

    async def download(
        self, descriptor: Descriptor, into: PartialBlob, progress: Callable[[], None]
    ) -> None:
        """Fetch what is missing of a blob."""

        async def fetch(session: Session) -> None:
            await Download(
                session,
                self._blob(session, descriptor.digest),
                descriptor,
                into,
                progress,
                attempts=self._settings.attempts,
                connections=self._settings.connections,
                back_off=self._settings.back_off,
            ).run()

        await self._ask(fetch)

    async def has_blob(self, digest: Digest) -> bool:
        """Tell whether the repository has a blob."""

        async def head(session: Session) -> bool:
            url = self._blob(session, digest)
            async with session.exchange("HEAD", url) as (reply, final):
                if reply.status in (200, 404):
                    return reply.status == 200
                raise await session.refuse(reply, final)

        return await self._ask(head)

    async def mount(self, digest: Digest, source: str) -> bool:
        """Have a blob taken over from another repository of the registry."""

        async def post(session: Session) -> bool:
            return await self._upload(session).mount(digest, source)

        scope = f"repository:{source}:pull"
        if scope not in self._scopes:
            # One token for both repositories; a session with other scopes is another session.
            self._scopes.append(scope)
            self._chosen = None
        try:
            return await self._ask(post)
        finally:
            self._scopes.remove(scope)
            self._chosen = None

    async def upload(self, descriptor: Descriptor, source: AsyncIterator[bytes]) -> None:
        """Send a blob."""

        async def put(session: Session) -> None:
            await self._upload(session).send(descriptor, source)

        await self._ask(put)

    async def put_manifest(self, ref: str, media_type: str, data: bytes) -> Digest:
        """Publish a manifest."""

        async def put(session: Session) -> Digest:
            return await self._upload(session).manifest(ref, media_type, data)

        return await self._ask(put)

    # Endpoints

    async def _ask(self, verb: Callable[[Session], Awaitable[T]]) -> T:
        """Do something with the endpoint that worked before, or the first that works."""
        failure: RequestError | None = None
        session: Session | None = None
        async for session in self._candidates():
            try:
                result = await verb(session)
            except (Refused, RequestError, Unauthorized, RegistryMisbehaves) as error:
                if session.endpoint.is_mirror:
                    _log.info("mirror %s: %s", session.endpoint.url.authority, error)
                    self._chosen = None
                    continue
                if isinstance(error, Refused):
                    raise self._translated(error) from None
                if not isinstance(error, RequestError):
                    raise
                if session is self._chosen or not may_go_on(error):
                    raise _unreachable(session, error) from None
                failure = error
                continue
            self._chosen = session
            return result
        raise _unreachable(session, failure)

    async def _candidates(self) -> AsyncIterator[Session]:
        chosen = self._chosen
        if chosen is not None:
            yield chosen
            if not chosen.endpoint.is_mirror:
                return
        if not self._push:
            async for endpoint in self._endpoints.mirrors(self._reference.domain):
                session = self._session(endpoint)
                if session is not chosen:
                    yield session
        async for endpoint in self._endpoints.of(self._reference.domain):
            yield self._session(endpoint)

    def _session(self, endpoint: Endpoint) -> Session:
        key = (endpoint.url, endpoint.is_mirror, *self._scopes)
        session = self._sessions.get(key)
        if session is None:
            session = self._sessions[key] = Session(
                self._client,
                self._endpoints,
                self._tokens,
                endpoint=endpoint,
                credentials=ANONYMOUS if endpoint.is_mirror else self._credentials,
                scopes=self._scopes,
            )
        return session

    def _upload(self, session: Session) -> Upload:
        return Upload(session, self._reference.path)

    def _blob(self, session: Session, digest: Digest) -> Url:
        return session.url(f"/v2/{self._reference.path}/blobs/{digest}")

    def _translated(self, error: Refused) -> EngineError:
        """A refusal in Docker's words. Source: behaviours 130; moby distribution."""
        name, text = self._reference.familiar_name, str(error)
        if self._push:
            if error.code in ("DENIED", "NAME_UNKNOWN"):
                return Unauthorized(text) if error.status == 401 else Internal(text)
        elif error.code == "DENIED":
            return NotFound(
                f"pull access denied for {name}, repository does not exist or may require "
                f"'docker login': {text}"
            )
        elif error.code == "MANIFEST_UNKNOWN" or (error.status == 404 and not error.code):
            known = text if error.code else "manifest unknown: manifest unknown"
            return NotFound(f"manifest for {self._reference.familiar()} not found: {known}")
        elif error.code == "NAME_UNKNOWN":
            return NotFound(f"repository {name} not found: {text}")
        if error.status == 401:
            return Unauthorized(text)
        if error.status == 404:
            return NotFound(text)
        return RegistryUnreachable(text) if error.is_passing else Internal(text)

    # Reading

    async def _get_manifest(self, session: Session, ref: str) -> RemoteManifest:
        url = session.url(f"/v2/{self._reference.path}/manifests/{quote(ref, safe=':')}")
        async with session.exchange("GET", url, headers={"Accept": ACCEPT}) as (reply, final):
            if reply.status != 200:
                raise await session.refuse(reply, final)
            if reply.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
                raise RegistryMisbehaves("a manifest with a content encoding is not accepted")
            data = await reply.read(MAX_DOCUMENT)
            announced = reply.headers.get("docker-content-digest", "")
            kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        digest = sha256_digest(data)
        expected = ref if not is_tag(ref) else announced
        if expected and expected != digest and _is_sha256(expected):
            raise RegistryMisbehaves(
                f"manifest verification failed for digest {expected[:100]}: "
                f"the registry sent bytes with digest {digest}"
            )
        return RemoteManifest(digest, "" if kind in _GENERIC else kind, data)

    async def _get_document(self, session: Session, descriptor: Descriptor) -> bytes:
        url = self._blob(session, descriptor.digest)
        async with session.exchange("GET", url) as (reply, final):
            if reply.status != 200:
                raise await session.refuse(reply, final)
            data = await reply.read(descriptor.size)
        if len(data) != descriptor.size or sha256_digest(data) != descriptor.digest:
            raise RegistryMisbehaves(
                f"blob verification failed for digest {descriptor.digest}: "
                f"the registry sent {len(data)} bytes with digest {sha256_digest(data)}"
            )
        return data

    async def _list_tags(self, session: Session) -> Sequence[str]:
        url = session.url(f"/v2/{self._reference.path}/tags/list")
        tags: dict[str, None] = {}
        for _ in range(_MAX_PAGES):
            async with session.exchange("GET", url) as (reply, final):
                if reply.status != 200:
                    raise await session.refuse(reply, final)
                data = await reply.read(MAX_DOCUMENT)
                link = reply.headers.get("link", "")
            try:
                page = decode(data, _Tags, what="list of tags")
            except DocumentError as error:
                raise RegistryMisbehaves(str(error)) from None
            tags.update(dict.fromkeys(tag for tag in page.tags if is_tag(tag)))
            target = _next(link)
            if not target or not page.tags or len(tags) > _MAX_TAGS:
                break
            following = await session.resolve(target, url)
            if following.origin != url.origin:
                raise RegistryMisbehaves("the list of tags goes on at another host: refused")
            url = following
        return list(tags)


def _unreachable(session: Session | None, error: RequestError | None) -> RegistryUnreachable:
    if session is None:
        return RegistryUnreachable("no endpoint to ask")
    return RegistryUnreachable(f'Get "{session.url("/v2/")}": {error}')


def _next(link: str) -> str:
    """The URL of `Link: <…>; rel="next"`."""
    if 'rel="next"' not in link.replace("rel=next", 'rel="next"'):
        return ""
    return link.partition("<")[2].partition(">")[0]


def _is_sha256(text: str) -> bool:
    try:
        return parse_digest(text).startswith("sha256:")
    except DigestError:
        return True  # no digest at all: it cannot be what was sent
