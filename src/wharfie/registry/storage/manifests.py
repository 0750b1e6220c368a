"""Manifests: documents a repository has, by digest, their bytes never changed.

The order of writing keeps every state a crash can leave whole: the document's bytes, who it
refers to, that the repository has it, and at last the tag. Reading goes the other way.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Sequence
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct

from wharfie.formats.digest import Digest
from wharfie.registry.config.values import Limits
from wharfie.registry.documents import Document, read_document
from wharfie.registry.errors import Code, Refused
from wharfie.registry.names import algorithm_of
from wharfie.registry.ports.storage import ByteStore, NoSuchKey
from wharfie.registry.storage import layout
from wharfie.registry.storage.blobs import Blobs
from wharfie.registry.storage.pins import Pins
from wharfie.registry.storage.tags import Tags
from wharfie.registry.storage.turns import breathe

_log = logging.getLogger(__name__)
_CACHE = 16 << 20
_TYPE = 256
_INLINE = 128 * 1024


class Manifest(Struct, frozen=True):
    """A stored document."""

    digest: Digest
    media_type: str
    data: bytes


class Manifests:
    """The manifests of all repositories."""

    def __init__(
        self, store: ByteStore, blobs: Blobs, tags: Tags, *, pins: Pins, limits: Limits
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._tags = tags
        self._pins = pins
        self._limits = limits
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._cached = 0
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def has(self, repository: str, digest: str) -> bool:
        """Tell whether a repository has a manifest."""
        try:
            await self._store.state(f"{layout.revision(repository, digest)}/link")
        except NoSuchKey:
            return False
        return True

    async def get(self, repository: str, digest: str) -> Manifest:
        """A manifest; NoSuchKey when the repository does not have it, or its bytes are broken."""
        folder = layout.revision(repository, digest)
        await self._store.state(f"{folder}/link")
        data = await self._bytes(digest)
        return Manifest(Digest(digest), await self._type(folder, data), data)

    async def read(self, repository: str, digest: str) -> Document:
        """What a manifest says; NoSuchKey."""
        found = await self.get(repository, digest)
        return _document(found)

    async def put(
        self,
        repository: str,
        data: bytes,
        media_type: str,
        reference: str,
        *,
        is_partial: bool = False,
    ) -> tuple[Manifest, Document]:
        """Store a manifest, and set its tag where it is put by tag.

        Args:
            repository: whose it becomes.
            data: the document.
            media_type: what the client calls it, "" for nothing.
            reference: a checked tag or digest.
            is_partial: what it names may come later, from elsewhere.

        Raises:
            Refused: malformed, of another digest, or something it names is not here.
        """
        digest = _digest_of(data, reference)
        document = await self._understand(data, media_type)
        async with self._pins.hold(digest, *document.digests), self._lock(repository):
            if not is_partial:
                await self._check_references(repository, document)
            writes = self._writes(repository, digest, document, data)
            tag = "" if ":" in reference else reference
            if tag:
                writes += self._tags.writes(repository, tag, digest)
            await self._store.write(*writes)
            # Somebody wants it after all.
            await self._store.delete(f"{layout.revision(repository, digest)}/released")
            if tag:
                self._tags.changed(repository, tag)
        self._remember(digest, data)
        return Manifest(digest, document.media_type, data), document

    async def delete(self, repository: str, digest: str) -> Sequence[str]:
        """Remove a manifest and the tags that are it; returns those. NoSuchKey."""
        async with self._lock(repository):
            return await self._delete(repository, digest)

    async def _delete(self, repository: str, digest: str) -> Sequence[str]:
        if not await self.has(repository, digest):
            raise NoSuchKey(digest)
        tags = await self._tags.of(repository, digest)
        for tag in tags:
            await self._tags.delete(repository, tag)
        subject = ""
        try:
            subject = (await self.read(repository, digest)).subject
        except (NoSuchKey, Refused):
            # Broken ones are to be got rid of, too.
            _log.info("deleting a manifest that cannot be read: %s", digest)
        await self._store.delete(f"{layout.revision(repository, digest)}/link")
        await self._store.delete_below(layout.revision(repository, digest))
        if subject:
            await self._store.delete(layout.referrer(repository, subject, digest))
        await self._release_referrers(repository, digest)
        return tags

    async def delete_tag(self, repository: str, tag: str, *, pushed: float | None = None) -> Digest:
        """Remove a tag; its manifest goes with the next collection unless it has another one.

        Args:
            repository: whose.
            tag: which.
            pushed: only if it was last pushed then.

        Returns what it was; NoSuchKey.
        """
        async with self._lock(repository):
            if pushed is not None and await self._tags.pushed(repository, tag) != pushed:
                raise NoSuchKey(tag)
            digest = await self._tags.get(repository, tag)
            is_last = await self._tags.of(repository, digest) == [tag]
            if is_last and await self.has(repository, digest):
                await self._release(repository, digest)
            await self._tags.delete(repository, tag)
        return digest

    async def remove(self, digest: str) -> int:
        """Remove a document's bytes; the caller has claimed it. Returns how many."""
        dropped = self._cache.pop(digest, b"")
        self._cached -= len(dropped)
        return await self._blobs.remove(digest)

    async def all(self, repository: str) -> Sequence[Digest]:
        """Every manifest of a repository."""
        top = layout.revisions(repository)
        return [
            layout.joined(algorithm, encoded)
            for algorithm in await self._store.names(top)
            for encoded in await self._store.names(f"{top}/{algorithm}")
        ]

    async def referrers(self, repository: str, subject: str) -> Sequence[Digest]:
        """Manifests that named `subject` when they were pushed."""
        top = layout.referrers(repository, subject)
        return [
            layout.joined(algorithm, encoded)
            for algorithm in await self._store.names(top)
            for encoded in await self._store.names(f"{top}/{algorithm}")
        ]

    async def is_released(self, repository: str, digest: str) -> bool:
        """Tell whether its last tag, or its subject, was deleted by name."""
        try:
            await self._store.state(f"{layout.revision(repository, digest)}/released")
        except NoSuchKey:
            return False
        return True

    async def pushed(self, repository: str, digest: str) -> float:
        """When it was last pushed, in seconds since the epoch; NoSuchKey."""
        link = f"{layout.revision(repository, digest)}/link"
        return (await self._store.state(link)).modified

    async def _understand(self, data: bytes, media_type: str) -> Document:
        """Read a client's document; a large one in a thread."""
        limit = self._limits.references
        if len(data) <= _INLINE:
            return read_document(data, media_type, limit)
        return await asyncio.to_thread(read_document, data, media_type, limit)

    def _lock(self, repository: str) -> asyncio.Lock:
        """Held by whoever changes a repository's manifests or tags; never for a client's sake."""
        lock = self._locks.get(repository)
        if lock is None:
            lock = self._locks[repository] = asyncio.Lock()
        return lock

    async def _release(self, repository: str, digest: str) -> None:
        await self._store.write((f"{layout.revision(repository, digest)}/released", b""))

    async def _release_referrers(self, repository: str, subject: str) -> None:
        for digest in await self.referrers(repository, subject):
            if await self.has(repository, digest):
                await self._release(repository, digest)

    async def _check_references(self, repository: str, document: Document) -> None:
        missing: list[str] = []
        for number, one in enumerate(document.blobs, 1):
            await breathe(number)
            if not await self._blobs.has(repository, one.digest):
                missing.append(one.digest)
        children = () if self._limits.sparse_indexes else document.manifests
        for number, one in enumerate(children, 1):
            await breathe(number)
            if not await self.has(repository, one.digest):
                missing.append(one.digest)
        errors = [
            Refused(
                Code.MANIFEST_BLOB_UNKNOWN, "blob unknown to registry", detail={"digest": digest}
            )
            for digest in dict.fromkeys(missing)
        ]
        if errors:
            first = errors[0]
            raise Refused(first.code, first.message, detail=first.detail, others=errors[1:100])

    def _writes(
        self, repository: str, digest: str, document: Document, data: bytes
    ) -> list[tuple[str, bytes]]:
        folder = layout.revision(repository, digest)
        writes = [(layout.blob(digest), data)]
        if document.subject:
            descriptor = describe(Manifest(Digest(digest), document.media_type, data), document)
            writes.append((layout.referrer(repository, document.subject, digest), descriptor))
        if not document.is_named:
            writes.append((f"{folder}/type", document.media_type.encode()))
        writes.append((f"{folder}/link", digest.encode()))
        return writes

    async def _bytes(self, digest: str) -> bytes:
        known = self._cache.get(digest)
        if known is not None:
            self._cache.move_to_end(digest)
            return known
        opened = await self._blobs.open_verified(digest)
        try:
            if opened.size > self._limits.manifest:
                raise NoSuchKey(digest)
            data = b"".join([chunk async for chunk in opened.read(0, opened.size)])
        finally:
            opened.close()
        if _hash(data, algorithm_of(digest)) != digest:
            # Vouched for, unchanged as far as the file system knows, and broken all the same.
            await self._blobs.check(digest)
            raise NoSuchKey(digest)
        self._remember(digest, data)
        return data

    async def _type(self, folder: str, data: bytes) -> str:
        own = msgspec.json.decode(data, type=_Named).media_type
        if own:
            return own
        try:
            return (await self._store.read(f"{folder}/type", _TYPE)).decode()
        except NoSuchKey:
            return read_document(data, "").media_type

    def _remember(self, digest: str, data: bytes) -> None:
        if digest not in self._cache:
            self._cache[digest] = data
            self._cached += len(data)
        while self._cached > _CACHE:
            _, dropped = self._cache.popitem(last=False)
            self._cached -= len(dropped)


class _Named(Struct, frozen=True):
    media_type: str | None = msgspec.field(default=None, name="mediaType")


def describe(manifest: Manifest, document: Document) -> bytes:
    """The descriptor of a manifest, as a list of referrers shows it.

    Source: OCI distribution spec 1.1, "Listing Referrers".
    """
    descriptor: dict[str, object] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.data),
    }
    if document.artifact_type:
        descriptor["artifactType"] = document.artifact_type
    if document.annotations:
        descriptor["annotations"] = document.annotations
    return msgspec.json.encode(descriptor)


def _document(manifest: Manifest) -> Document:
    return read_document(manifest.data, manifest.media_type, 1 << 30)


def _hash(data: bytes, algorithm: str) -> Digest:
    return Digest(f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}")


def _digest_of(data: bytes, reference: str) -> Digest:
    digest = _hash(data, algorithm_of(reference) if ":" in reference else "sha256")
    if ":" in reference and digest != reference:
        raise Refused(
            Code.DIGEST_INVALID,
            "provided digest did not match uploaded content",
            detail={"digest": reference, "actual": digest},
        )
    return digest
