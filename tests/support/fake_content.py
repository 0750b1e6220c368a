"""A content store in memory."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Iterable, Sequence

from wharfie.model.content import BlobWriter, PartialBlob
from wharfie.model.errors import Internal, InvalidArgument, NotFound
from wharfie.model.ids import Digest


class FakeContentStore:
    """Blobs in a dict; `path` names no file."""

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self.parts: dict[Digest, _FakePartial] = {}
        self.kept: set[Digest] = set()

    async def writer(self) -> BlobWriter:
        return _FakeWriter(self.blobs)

    async def partial(self, digest: Digest, size: int) -> PartialBlob:
        part = self.parts.setdefault(digest, _FakePartial(self, digest, size))
        await part.lock.acquire()
        return part

    def is_kept(self, digest: Digest) -> bool:
        return digest in self.kept

    async def forget_partials(self, digests: Iterable[Digest]) -> None:
        for digest in digests:
            if digest not in self.parts or not self.parts[digest].lock.locked():
                self.parts.pop(digest, None)
                self.kept.discard(digest)

    async def expire_partials(self, *, older_than: float) -> int:
        if older_than <= 0:
            await self.forget_partials([*self.parts, *self.kept])
        return 0

    def path(self, digest: Digest) -> str:
        if not (digest.startswith("sha256:") and len(digest) == 71):
            raise InvalidArgument(f"bad digest {digest}")
        return f"/nonexistent/{digest}"

    def has(self, digest: Digest) -> bool:
        return digest in self.blobs

    def size(self, digest: Digest) -> int:
        return len(self._get(digest))

    async def read(self, digest: Digest) -> bytes:
        return self._get(digest)

    async def put(self, data: bytes) -> Digest:
        digest = Digest("sha256:" + hashlib.sha256(data).hexdigest())
        self.blobs[digest] = data
        return digest

    async def delete(self, digest: Digest) -> None:
        self.blobs.pop(digest, None)

    def digests(self) -> Sequence[Digest]:
        return list(self.blobs)

    async def sync(self) -> None:
        return None

    async def write_out(self) -> None:
        return None

    async def scratch(self) -> int:
        return os.memfd_create("scratch")

    def _get(self, digest: Digest) -> bytes:
        try:
            return self.blobs[digest]
        except KeyError:
            raise NotFound(f"content digest {digest}: not found") from None


class _FakePartial:
    """A partial blob; one chunk, filled from its beginning."""

    def __init__(self, store: FakeContentStore, digest: Digest, size: int) -> None:
        self.lock = asyncio.Lock()
        self.size = size
        self.descriptor = os.memfd_create("partial")
        self._store = store
        self._digest = digest
        self._length = 0

    @property
    def present(self) -> int:
        return self._length

    prefix = present

    def gaps(self) -> Sequence[tuple[int, int]]:
        return [(self._length, self.size)] if self._length < self.size else []

    async def write(self, offset: int, data: bytes | memoryview) -> None:
        if offset != self._length:
            raise Internal("a piece does not join what is there")
        self._length += os.pwrite(self.descriptor, data, offset)

    async def publish(self, actual: Digest) -> Digest:
        if actual != self._digest:
            await self.drop()
            raise InvalidArgument(f"expected {self._digest}, got {actual}")
        if self.gaps():
            raise Internal("not complete")
        self._store.blobs[actual] = os.pread(self.descriptor, self.size, 0)
        self._store.kept.add(actual)
        await self.drop()
        return actual

    async def drop(self) -> None:
        if self._store.parts.get(self._digest) is self:
            del self._store.parts[self._digest]
            os.close(self.descriptor)
            self.lock.release()

    async def close(self) -> None:
        if self._store.parts.get(self._digest) is self and self.lock.locked():
            if self._length:
                self.lock.release()
            else:
                await self.drop()


class _FakeWriter:
    def __init__(self, blobs: dict[Digest, bytes]) -> None:
        self._blobs = blobs
        self._data: bytearray | None = bytearray()

    async def write(self, data: bytes) -> None:
        assert self._data is not None
        self._data += data

    async def commit(self, expected: Digest | None = None) -> Digest:
        if self._data is None:
            raise Internal("the blob was already committed or dropped")
        data, self._data = bytes(self._data), None
        digest = Digest("sha256:" + hashlib.sha256(data).hexdigest())
        if expected not in (None, digest):
            raise InvalidArgument(f"digest mismatch: expected {expected}, got {digest}")
        self._blobs[digest] = data
        return digest

    async def abort(self) -> None:
        self._data = None
