"""One repository of one registry, in and out; refusals in Docker's words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar
from urllib.parse import quote

from msgspec import Struct, field

from wharfie.formats.digest import DigestError, parse_digest, sha256_digest
from wharfie.formats.oci.descriptor import INDEXES, MANIFESTS
from wharfie.formats.oci.document import MAX_DOCUMENT, DocumentError, decode
from wharfie.formats.reference import Reference, is_tag
from wharfie.model.content import Descriptor, PartialBlob
from wharfie.model.errors import EngineError, Internal, NotFound, Unauthorized
from wharfie.model.ids import Digest
from wharfie.model.registry import (
    AccessRefused,
    RegistryMisbehaves,
    RegistryUnreachable,
    RemoteManifest,
)
from wharfie.registry.client.asking import Asker
from wharfie.registry.client.catalogue import next_target
from wharfie.registry.client.download import Download
from wharfie.registry.client.endpoints import may_go_on
from wharfie.registry.client.refusals import Refused
from wharfie.registry.client.session import Session
from wharfie.registry.client.settings import RegistrySettings
from wharfie.registry.client.upload import Upload
from wharfie.web.client import RequestError, Url

T = TypeVar("T")

ACCEPT = ", ".join(sorted(MANIFESTS | INDEXES))
_GENERIC = frozenset({"", "application/json", "text/plain", "application/octet-stream"})
_MAX_TAGS = 100_000
_MAX_PAGES = 1000


class _Tags(Struct, frozen=True):
    tags: list[str] = field(default_factory=list)


class RemoteBlob(Struct, frozen=True):
    """A blob on its way.

    Attributes:
        start: where the bytes begin: 0 where the registry does not serve ranges.
        length: bytes that are announced, None where it is not said.
        chunks: the bytes.
    """

    start: int
    length: int | None
    chunks: AsyncIterator[bytes]


class RemoteRepository:
    """See `model.registry.Repository`."""

    def __init__(
        self, asker: Asker, settings: RegistrySettings, *, reference: Reference, push: bool
    ) -> None:
        self._asker = asker
        self._settings = settings
        self._reference = reference
        self._push = push
        self._scope = f"repository:{reference.path}:{'pull,push' if push else 'pull'}"

    def distrust(self) -> bool:
        """Ask no mirror any more; False when none was asked."""
        return self._asker.distrust()

    async def manifest(self, ref: str) -> RemoteManifest:
        """A manifest by tag or digest."""

        async def get(session: Session) -> RemoteManifest:
            return await self._get_manifest(session, ref)

        return await self._ask(get)

    async def resolve(self, ref: str) -> Digest | None:
        """The digest a tag or digest has there, as the registry says; None where it is silent."""

        async def head(session: Session) -> Digest | None:
            url = session.url(f"/v2/{self._reference.path}/manifests/{quote(ref, safe=':')}")
            async with session.exchange("HEAD", url, headers={"Accept": ACCEPT}) as (reply, final):
                if reply.status != 200:
                    raise await session.refuse(reply, final)
                announced = reply.headers.get("docker-content-digest", "")
            try:
                return parse_digest(announced)
            except DigestError:
                return None

        return await self._ask(head)

    @asynccontextmanager
    async def open_blob(self, digest: Digest, start: int = 0) -> AsyncIterator[RemoteBlob]:
        """A blob's bytes from `start` on, as they come; nothing of them is verified."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        async with AsyncExitStack() as stack:

            async def get(session: Session) -> RemoteBlob:
                url = self._blob(session, digest)
                exchange = session.exchange("GET", url, headers=headers)
                reply, final = await stack.enter_async_context(exchange)
                if reply.status not in (200, 206):
                    raise await session.refuse(reply, final)
                if reply.headers.get("content-encoding", "identity").lower() not in (
                    "", "identity",
                ):  # fmt: skip
                    raise RegistryMisbehaves("a blob with a content encoding is not accepted")
                at = start if reply.status == 206 else 0
                if reply.status == 206 and not reply.headers.get("content-range", "").startswith(
                    f"bytes {start}-"
                ):
                    raise RegistryMisbehaves("another range was sent than was asked for")
                return RemoteBlob(at, reply.length, reply.chunks())

            yield await self._ask(get)

    async def blob_size(self, digest: Digest) -> int | None:
        """Bytes of a blob, as the registry says; None where it is silent."""

        async def head(session: Session) -> int | None:
            url = self._blob(session, digest)
            async with session.exchange("HEAD", url) as (reply, final):
                if reply.status != 200:
                    raise await session.refuse(reply, final)
                return reply.length

        return await self._ask(head)

    async def referrers(self, digest: Digest) -> bytes:
        """The list of what refers to a manifest, as an index; b"" where the registry has none."""

        async def get(session: Session) -> bytes:
            url = session.url(f"/v2/{self._reference.path}/referrers/{digest}")
            async with session.exchange("GET", url) as (reply, final):
                if reply.status in (404, 405, 400, 501):
                    return b""
                if reply.status != 200:
                    raise await session.refuse(reply, final)
                return await reply.read(MAX_DOCUMENT)

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

        try:
            return await self._ask(post, f"repository:{source}:pull")
        except AccessRefused:
            return False  # not this user's to take from

    async def upload(
        self, descriptor: Descriptor, source: Callable[[], AsyncIterator[bytes]]
    ) -> None:
        """Send a blob; what breaks off is sent again from the beginning."""

        async def put(session: Session) -> None:
            failures = 0
            while True:
                try:
                    return await self._upload(session).send(descriptor, source())
                except (RequestError, Refused) as error:
                    failures += 1
                    is_final = isinstance(error, Refused) and not error.is_passing
                    if is_final or may_go_on(error) or failures >= self._settings.attempts:
                        raise
                    await asyncio.sleep(self._settings.back_off * 2**failures)

        await self._ask(put)

    async def put_manifest(self, ref: str, media_type: str, data: bytes) -> Digest:
        """Publish a manifest."""

        async def put(session: Session) -> Digest:
            return await self._upload(session).manifest(ref, media_type, data)

        return await self._ask(put)

    async def _ask(self, verb: Callable[[Session], Awaitable[T]], *scopes: str) -> T:
        try:
            return await self._asker.ask(verb, (self._scope, *scopes))
        except Refused as error:
            raise self._translated(error) from None
        except Unauthorized as error:
            raise AccessRefused(str(error)) from None

    def _upload(self, session: Session) -> Upload:
        return Upload(session, self._reference.path)

    def _blob(self, session: Session, digest: Digest) -> Url:
        return session.url(f"/v2/{self._reference.path}/blobs/{digest}")

    def _translated(self, error: Refused) -> EngineError:
        """A refusal in Docker's words. Source: behaviours 130; moby distribution."""
        name, text = self._reference.familiar_name, str(error)
        if self._push:
            if error.code in ("DENIED", "NAME_UNKNOWN"):
                return AccessRefused(text)
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
            return AccessRefused(text)
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
            target = next_target(link)
            if not target or not page.tags or len(tags) > _MAX_TAGS:
                break
            following = await session.resolve(target, url)
            if following.origin != url.origin:
                raise RegistryMisbehaves("the list of tags goes on at another host: refused")
            url = following
        return list(tags)


def _is_sha256(text: str) -> bool:
    try:
        return parse_digest(text).startswith("sha256:")
    except DigestError:
        return True  # no digest at all: it cannot be what was sent
