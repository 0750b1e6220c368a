"""A content store in memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from wharfie.model.content import BlobWriter
from wharfie.model.errors import Internal, InvalidArgument, NotFound
from wharfie.model.ids import Digest


class FakeContentStore:
    """Blobs in a dict; `path` names no file."""

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}

    async def writer(self) -> BlobWriter:
        return _FakeWriter(self.blobs)

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

    async def scratch(self) -> int:
        return os.memfd_create("scratch")

    def _get(self, digest: Digest) -> bytes:
        try:
            return self.blobs[digest]
        except KeyError:
            raise NotFound(f"content digest {digest}: not found") from None


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
