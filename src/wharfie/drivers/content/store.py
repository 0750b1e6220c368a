"""The content store on a directory.

    <data-root>/
    ├── content/blobs/sha256/<hex>   whole, verified, read-only
    ├── content/partial/<hex>.*      on their way, kept over restarts (`partial.py`)
    └── tmp/blob-*                   being written; emptied at start

A blob is hashed while it is written, both in a thread, and then renamed to its name: whoever opens
a name reads the whole of it. All of an image's blobs are synced together, before its record.
Writing a blob that is there already is allowed and changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from wharfie.drivers.content.partial import Partials
from wharfie.formats.digest import DigestError, hex_of, parse_sha256
from wharfie.kernel.sync import sync_file_system
from wharfie.model.content import BlobWriter, PartialBlob
from wharfie.model.errors import Internal, InvalidArgument, NotFound
from wharfie.model.ids import Digest

A = TypeVar("A")
T = TypeVar("T")

_BATCH = 1 << 20
"""Bytes collected before a thread is bothered."""
_READ_LIMIT = 64 << 20
"""Bytes `read` will hold in memory: it is for manifests and configs."""


class Unsynced:
    """Whether something was published since the last sync; set by threads, after the fact."""

    is_set = False


class LocalContentStore:
    """See `model.content.ContentStore`. Making it makes its directories."""

    def __init__(self, data_root: str) -> None:
        self._blobs = os.path.join(data_root, "content", "blobs", "sha256")
        self._tmp = os.path.join(data_root, "tmp")
        os.makedirs(self._blobs, mode=0o700, exist_ok=True)
        os.makedirs(self._tmp, mode=0o700, exist_ok=True)
        self._unsynced = Unsynced()
        self._syncing = asyncio.Lock()
        self._partials = Partials(os.path.join(data_root, "content", "partial"))

    async def writer(self) -> BlobWriter:
        """Begin a blob."""
        return await asyncio.to_thread(_LocalBlobWriter, self._tmp, self._blobs, self._unsynced)

    async def partial(self, digest: Digest, size: int) -> PartialBlob:
        """Begin a blob or go on with it; waits while another holds it."""
        target = self.path(digest)

        def publish(fd: int, path: str) -> None:
            os.fchmod(fd, 0o400)
            os.rename(path, target)
            self._unsynced.is_set = True

        return await self._partials.open(os.path.basename(target), digest, size, publish)

    def is_kept(self, digest: Digest) -> bool:
        """Tell whether a blob belongs to a pull that may be gone on with."""
        return hex_of(digest) in self._partials.kept

    async def forget_partials(self, digests: Iterable[Digest]) -> None:
        """Let go of blobs on their way, and of the claims on blobs that arrived."""
        await asyncio.to_thread(self._partials.forget, [hex_of(digest) for digest in digests])

    async def expire_partials(self, *, older_than: float) -> int:
        """Forget what nobody has gone on with for so many seconds; bytes freed."""
        return await asyncio.to_thread(self._partials.expire, older_than)

    def path(self, digest: Digest) -> str:
        """Absolute path of a blob, present or not.

        Raises:
            InvalidArgument: not a sha256 digest, so no name of a blob.
        """
        try:
            return os.path.join(self._blobs, hex_of(parse_sha256(digest)))
        except DigestError as error:
            raise InvalidArgument(f"{error}: {digest[:80]!r}") from None

    def has(self, digest: Digest) -> bool:
        """Tell whether a blob is there."""
        return os.path.exists(self.path(digest))

    def size(self, digest: Digest) -> int:
        """Size of a blob in bytes."""
        try:
            return os.stat(self.path(digest)).st_size
        except FileNotFoundError:
            raise _missing(digest) from None

    async def read(self, digest: Digest) -> bytes:
        """A whole small blob."""
        return await asyncio.to_thread(_read, self.path(digest), digest)

    async def put(self, data: bytes) -> Digest:
        """Write a whole small blob."""
        return await asyncio.to_thread(self._put, data)

    async def delete(self, digest: Digest) -> None:
        """Remove a blob; a missing one is no error."""
        await asyncio.to_thread(_unlink, self.path(digest))

    def digests(self) -> Sequence[Digest]:
        """All blobs."""
        return [Digest(f"sha256:{name}") for name in os.listdir(self._blobs)]

    async def sync(self) -> None:
        """Have what was published so far on the disk."""
        async with self._syncing:
            if self._unsynced.is_set:
                self._unsynced.is_set = False
                try:
                    await asyncio.to_thread(sync_file_system, self._blobs)
                except BaseException:
                    self._unsynced.is_set = True
                    raise

    async def write_out(self) -> None:
        """Have the disk write; a fault of it is found by `sync`."""
        with contextlib.suppress(OSError):
            await asyncio.to_thread(sync_file_system, self._blobs)

    async def scratch(self) -> int:
        """A nameless file beside the blobs, for bytes on their way; the caller closes it."""
        return await asyncio.to_thread(
            os.open, self._tmp, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600
        )

    def _put(self, data: bytes) -> Digest:
        digest = Digest("sha256:" + hashlib.sha256(data).hexdigest())
        if self.has(digest):
            return digest
        writer = _LocalBlobWriter(self._tmp, self._blobs, self._unsynced)
        try:
            writer.append(data)
            return writer.publish(digest)
        finally:
            writer.drop()


class _LocalBlobWriter:
    """One blob being written; the plain methods block and belong in a thread.

    A batch is hashed and written while the next one comes in. Somebody who is cancelled leaves his
    thread at work: the file is not closed under it.
    """

    def __init__(self, tmp: str, blobs: str, unsynced: Unsynced) -> None:
        self._fd, self._path = tempfile.mkstemp(prefix="blob-", dir=tmp)
        self._blobs = blobs
        self._unsynced = unsynced
        self._hash = hashlib.sha256()
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._open = True
        self._busy: asyncio.Future[None] | asyncio.Future[Digest] | None = None

    async def write(self, data: bytes) -> None:
        """Append bytes."""
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size >= _BATCH:
            await self._settle()
            pending, self._pending, self._pending_size = self._pending, [], 0
            self._busy = _in_thread(self._append_all, pending)

    async def commit(self, expected: Digest | None = None) -> Digest:
        """Verify and publish."""
        try:
            await self._settle()
            if not self._open:
                raise Internal("the blob was already committed or dropped")
            self._busy = finishing = _in_thread(self._finish, expected)
            return await asyncio.shield(finishing)
        finally:
            await self.abort()

    async def abort(self) -> None:
        """Drop what was written; after a commit nothing happens."""
        busy, self._busy = self._busy, None
        if busy is not None:
            await asyncio.wait({busy})
            busy.exception()  # somebody heard of it, or was cancelled
        if self._open:
            await asyncio.to_thread(self.drop)

    async def _settle(self) -> None:
        if self._busy is not None:
            busy = self._busy
            await asyncio.shield(busy)
            self._busy = None

    def append(self, data: bytes) -> None:
        """Hash and write, now."""
        self._hash.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def publish(self, expected: Digest | None) -> Digest:
        """Verify and rename."""
        digest = Digest("sha256:" + self._hash.hexdigest())
        if expected is not None and digest != expected:
            raise InvalidArgument(f"digest mismatch: expected {expected}, got {digest}")
        target = os.path.join(self._blobs, hex_of(digest))
        if not os.path.exists(target):
            os.fchmod(self._fd, 0o400)
            os.rename(self._path, target)
            self._unsynced.is_set = True
        return digest

    def drop(self) -> None:
        """Close and remove the temporary file, if it is still there."""
        if self._open:
            self._open = False
            self._pending.clear()
            os.close(self._fd)
            _unlink(self._path)

    def _append_all(self, pending: list[bytes]) -> None:
        for data in pending:
            self.append(data)

    def _finish(self, expected: Digest | None) -> Digest:
        pending, self._pending = self._pending, []
        self._append_all(pending)
        return self.publish(expected)


def _in_thread(work: Callable[[A], T], argument: A) -> asyncio.Future[T]:
    return asyncio.get_running_loop().run_in_executor(None, work, argument)


def _missing(digest: Digest) -> NotFound:
    return NotFound(f"content digest {digest}: not found")


def _read(path: str, digest: Digest) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_READ_LIMIT + 1)
    except FileNotFoundError:
        raise _missing(digest) from None
    if len(data) > _READ_LIMIT:
        raise InvalidArgument(f"content {digest} is too large to be a document")
    return data


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
