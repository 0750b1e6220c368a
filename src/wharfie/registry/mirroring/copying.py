"""Copying one repository: what names something comes after what it names, tags come last.

So a copy that is cut off leaves nothing that looks whole; the next one goes on, for what is there
already is not sent again. Manifests are never decoded and encoded: their bytes, and so their
digests, stay what they are. Source: users.md P40, feature 25.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence

import msgspec
from msgspec import Struct

from wharfie.formats.digest import Digest, DigestError, parse_digest
from wharfie.model.content import Descriptor
from wharfie.model.errors import EngineError, NotFound
from wharfie.model.registry import RegistryMisbehaves, RemoteManifest
from wharfie.registry.client import RemoteRepository
from wharfie.registry.documents import Document, Pointer, read_document
from wharfie.registry.errors import Refused
from wharfie.web.client import RequestError

_MOST_DEPTH = 8
_MOST_REFERRERS = 10_000
_ATTEMPTS = 4
_FAILURES = (EngineError, Refused, RequestError, RegistryMisbehaves)


class Outcome(Struct, frozen=True):
    """What became of one tag or manifest.

    Attributes:
        digest: "" where it failed.
        is_new: it was not there, or was something else.
        failure: why it was not copied, "" where it was.
    """

    name: str
    digest: str = ""
    is_new: bool = False
    failure: str = ""


class Totals(Struct):
    """What a copy has sent so far."""

    manifests: int = 0
    blobs: int = 0
    size: int = 0


class Copy:
    """One repository on its way to another.

    Args:
        source: where from.
        target: where to.
        name: of the target, to mount from.
        held: digest → a repository of the target's registry that has the blob; shared by copies.
        jobs: blobs at a time; shared by copies.
        with_referrers: what refers to a manifest is copied too.
    """

    def __init__(
        self,
        source: RemoteRepository,
        target: RemoteRepository,
        *,
        name: str,
        held: dict[str, str],
        jobs: asyncio.Semaphore,
        with_referrers: bool,
    ) -> None:
        self._source = source
        self._target = target
        self._name = name
        self._held = held
        self._jobs = jobs
        self._with_referrers = with_referrers
        self._locks: dict[str, asyncio.Lock] = {}
        self._done: set[str] = set()
        self.totals = Totals()

    async def tag(self, tag: str) -> Outcome:
        """Copy a tag with all it stands for."""
        try:
            found = await self._source.manifest(tag)
            there = await self._there(tag)
            if there != found.digest:
                await self._manifest(found, found.digest, 0)
                await self._put(tag, found)
            if self._with_referrers:
                await self._referrers(found.digest, 0)
        except _FAILURES as error:
            return Outcome(tag, failure=str(error))
        return Outcome(tag, found.digest, is_new=there != found.digest)

    async def digest(self, digest: Digest) -> Outcome:
        """Copy a manifest by its digest."""
        try:
            is_new = await self._by_digest(digest, 0)
            if self._with_referrers:
                await self._referrers(digest, 0)
        except _FAILURES as error:
            return Outcome(digest, failure=str(error))
        return Outcome(digest, digest, is_new=is_new)

    async def _there(self, ref: str) -> Digest | None:
        try:
            return await self._target.resolve(ref)
        except NotFound:
            return None

    async def _by_digest(self, digest: Digest, depth: int) -> bool:
        """Copy a manifest and all below it, unless it is there; True when it was not."""
        if await self._there(digest) is not None:
            return False
        found = await self._source.manifest(digest)
        await self._manifest(found, digest, depth)
        await self._put(digest, found)
        return True

    async def _manifest(self, found: RemoteManifest, digest: str, depth: int) -> None:
        """Copy all that a manifest names."""
        if depth > _MOST_DEPTH:
            raise RegistryMisbehaves("indexes are nested too deeply")
        document = _read(found, digest)
        try:
            async with asyncio.TaskGroup() as group:
                for pointer in document.blobs:
                    group.create_task(self._once(pointer))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        for child in document.manifests:
            await self._by_digest(Digest(child.digest), depth + 1)

    async def _once(self, pointer: Pointer) -> None:
        """Copy a blob, unless it is copied or under way: images share most of theirs."""
        async with self._locks.setdefault(pointer.digest, asyncio.Lock()):
            if pointer.digest not in self._done:
                await self._blob(pointer)
                self._done.add(pointer.digest)

    async def _blob(self, pointer: Pointer) -> None:
        digest = Digest(pointer.digest)
        async with self._jobs:
            if await self._target.has_blob(digest):
                self._held.setdefault(digest, self._name)
                return
            other = self._held.get(digest)
            if other is not None and await self._target.mount(digest, other):
                return
            descriptor = Descriptor(media_type=pointer.media_type, digest=digest, size=pointer.size)
            await self._target.upload(descriptor, lambda: self._bytes(digest, pointer.size))
            self._held.setdefault(digest, self._name)
            self.totals.blobs += 1
            self.totals.size += pointer.size

    async def _bytes(self, digest: Digest, size: int) -> AsyncIterator[bytes]:
        """A blob's bytes; what breaks off goes on from there."""
        algorithm, _, encoded = digest.partition(":")
        hashing, position, failures = hashlib.new(algorithm), 0, 0
        while position < size:
            before = position
            try:
                async with self._source.open_blob(digest, position) as blob:
                    skip = position - blob.start
                    async for chunk in blob.chunks:
                        rest = chunk[skip:] if skip else chunk
                        skip = max(0, skip - len(chunk))
                        position += len(rest)
                        if position > size:
                            raise RegistryMisbehaves(f"blob {digest} is larger than announced")
                        hashing.update(rest)
                        yield rest
                if position < size:
                    raise RegistryMisbehaves(f"blob {digest} is smaller than announced")
            except RequestError:
                failures = 1 if position > before else failures + 1
                if failures >= _ATTEMPTS:
                    raise
                await asyncio.sleep(0.2 * 2**failures)
        if hashing.hexdigest() != encoded:
            raise RegistryMisbehaves(f"the source sent other bytes than {digest}")

    async def _put(self, ref: str, found: RemoteManifest) -> None:
        document = _read(found, ref if ":" in ref else found.digest)
        await self._target.put_manifest(ref, document.media_type, found.data)
        self.totals.manifests += 1

    async def _referrers(self, digest: str, depth: int) -> None:
        """Copy what refers to a manifest, and what refers to that."""
        if depth > _MOST_DEPTH:
            raise RegistryMisbehaves("referrers are nested too deeply")
        for referrer in await self._listed(digest):
            await self._by_digest(referrer, 0)
            await self._referrers(referrer, depth + 1)

    async def _listed(self, digest: str) -> Sequence[Digest]:
        data = await self._source.referrers(Digest(digest))
        if not data:
            # A registry without the API keeps the list under a tag, which is copied as one.
            return await self._listed_by_tag(digest)
        return _digests(data)

    async def _listed_by_tag(self, digest: str) -> Sequence[Digest]:
        try:
            found = await self._source.manifest(digest.replace(":", "-", 1))
        except NotFound:
            return ()
        await self._manifest(found, found.digest, 0)
        await self._put(digest.replace(":", "-", 1), found)
        return _digests(found.data)


def _read(found: RemoteManifest, digest: str) -> Document:
    try:
        return read_document(found.data, found.media_type)
    except Refused as refused:
        raise RegistryMisbehaves(f"{digest}: {refused.message}") from None


class _Listed(Struct, frozen=True):
    manifests: list[Pointer]


def _digests(data: bytes) -> Sequence[Digest]:
    try:
        listed = msgspec.json.decode(data, type=_Listed).manifests[:_MOST_REFERRERS]
        return [parse_digest(one.digest) for one in listed]
    except (msgspec.MsgspecError, UnicodeDecodeError, DigestError) as error:
        raise RegistryMisbehaves(f"the list of referrers is malformed: {error}") from None
