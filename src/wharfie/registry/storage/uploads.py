"""Uploads: blobs on their way in, which survive the registry.

What lies in an upload's file is what was received; there is no other record of how far it got.
The hash follows in memory; after a restart the file is read once more at the end. Only one
request may add to an upload at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
import sys
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

from wharfie.formats.digest import Digest
from wharfie.registry.config.values import Limits
from wharfie.registry.errors import Code, Refused
from wharfie.registry.names import algorithm_of
from wharfie.registry.ports.storage import ByteStore, NoSuchKey, Staging
from wharfie.registry.storage import layout
from wharfie.registry.storage.blobs import Blobs
from wharfie.registry.storage.hashing import Hashing
from wharfie.registry.storage.pins import Pins
from wharfie.registry.storage.usage import Usage

_log = logging.getLogger(__name__)
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REMEMBERED = 10_000
_BATCH = 256 * 1024
"""Bytes collected while others are written; each client may cost this much three times."""
_PATIENCE = 5.0
"""Seconds another request may still be adding: its client may have gone without a word."""


class Progress:
    """What is remembered of an upload between its requests.

    Attributes:
        hashing: follows the bytes, as long as it saw all of them.
    """

    __slots__ = ("hashing", "lock")

    def __init__(self) -> None:
        self.hashing = Hashing(hashlib.sha256())
        self.lock = asyncio.Lock()


class Uploads:
    """The unfinished uploads of all repositories."""

    def __init__(
        self, store: ByteStore, blobs: Blobs, *, pins: Pins, usage: Usage, limits: Limits
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._pins = pins
        self._usage = usage
        self._limits = limits
        self._progress: OrderedDict[str, Progress] = OrderedDict()

    async def begin(self, repository: str) -> str:
        """Begin an upload; returns its ID.

        Raises:
            Refused: TOOMANYREQUESTS, the repository has too many unfinished ones.
        """
        if len(await self._store.names(layout.uploads(repository))) >= self._limits.uploads:
            raise Refused(
                Code.TOOMANYREQUESTS,
                f"more than {self._limits.uploads} unfinished uploads in {repository}",
                headers=[("Retry-After", "60")],
            )
        upload_id = str(uuid.uuid4())
        # Known before its folder is there, so that nobody sweeps that.
        self._follow(upload_id)
        staging = await self._store.staging(_data(repository, upload_id), fresh=True)
        await staging.close()
        return upload_id

    async def size(self, repository: str, upload_id: str) -> int:
        """Bytes that were received.

        Raises:
            Refused: BLOB_UPLOAD_UNKNOWN.
        """
        try:
            return (await self._store.state(_data(repository, _checked(upload_id)))).size
        except NoSuchKey:
            raise _unknown(upload_id) from None

    @contextlib.asynccontextmanager
    async def open(self, repository: str, upload_id: str) -> AsyncIterator[OpenUpload]:
        """Go on with an upload, alone.

        Raises:
            Refused: BLOB_UPLOAD_UNKNOWN; BLOB_UPLOAD_INVALID while another request adds to it.
        """
        progress = self._follow(_checked(upload_id))
        try:
            async with asyncio.timeout(_PATIENCE):
                await progress.lock.acquire()
        except TimeoutError:
            raise Refused(
                Code.BLOB_UPLOAD_INVALID, "another request is adding to this upload"
            ) from None
        try:
            staging = await self._staging(repository, upload_id)
            try:
                yield OpenUpload(self, repository, upload_id, staging=staging, progress=progress)
            finally:
                await staging.close()
        finally:
            progress.lock.release()

    async def cancel(self, repository: str, upload_id: str) -> None:
        """Forget an upload; Refused where there is none."""
        await self.size(repository, upload_id)
        await self.forget(repository, upload_id)

    async def forget(self, repository: str, upload_id: str) -> None:
        """Remove what is left of an upload."""
        self._progress.pop(upload_id, None)
        await self._store.delete_below(layout.upload(repository, upload_id))

    async def sweep(self, repository: str, age: float) -> int:
        """Forget uploads nobody went on with for `age` seconds; returns how many."""
        swept = 0
        for upload_id in await self._store.names(layout.uploads(repository)):
            progress = self._progress.get(upload_id)
            if progress is not None and progress.lock.locked():
                continue
            try:
                found = await self._store.state(_data(repository, upload_id))
            except NoSuchKey:
                if progress is None:
                    # The rest of one that ended in a crash.
                    await self.forget(repository, upload_id)
                continue
            if time.time() - found.modified > age:
                await self.forget(repository, upload_id)
                swept += 1
        return swept

    async def _staging(self, repository: str, upload_id: str) -> Staging:
        try:
            return await self._store.staging(_data(repository, upload_id), fresh=False)
        except NoSuchKey:
            self._progress.pop(upload_id, None)
            raise _unknown(upload_id) from None

    def _follow(self, upload_id: str) -> Progress:
        progress = self._progress.get(upload_id)
        if progress is None:
            progress = self._progress[upload_id] = Progress()
            if len(self._progress) > _REMEMBERED:
                idle = (one for one, known in self._progress.items() if not known.lock.locked())
                # Only its hash has to be made anew.
                del self._progress[next(idle)]
        return progress

    # For an open upload

    async def check_room(self, repository: str, size: int) -> int:
        """Refuse what is too large for a blob or for the repository; returns what is not."""
        limit = self._limits.blob
        if limit and size > limit:
            raise Refused(Code.TOO_LARGE, f"blob too large: more than {limit} bytes")
        await self._usage.check(repository, size)
        return min(limit or sys.maxsize, await self._usage.room(repository))

    async def publish(self, upload: OpenUpload, digest: Digest) -> None:
        """Make an upload a blob of its repository."""
        async with self._pins.hold(digest):
            if await self._is_there(digest):
                # The bytes are there, from another repository or an earlier push.
                await self._blobs.link(upload.repository, digest)
            else:
                await self._usage.check(upload.repository, upload.size)
                await upload.staging.publish(layout.blob(digest), digest)
                await self._blobs.link(upload.repository, digest)
        await upload.staging.close()
        await self.forget(upload.repository, upload.upload_id)

    async def _is_there(self, digest: str) -> bool:
        try:
            (await self._blobs.open_verified(digest)).close()
        except NoSuchKey:
            return False
        return True


class OpenUpload:
    """An upload one request works on."""

    def __init__(
        self,
        uploads: Uploads,
        repository: str,
        upload_id: str,
        *,
        staging: Staging,
        progress: Progress,
    ) -> None:
        self._uploads = uploads
        self.repository = repository
        self.upload_id = upload_id
        self.staging = staging
        self._hashing = progress.hashing

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.staging.size

    async def receive(self, chunks: AsyncIterator[bytes], announced: int | None) -> None:
        """Add bytes; those that came before a failure stay.

        Args:
            chunks: the bytes.
            announced: how many there will be, None when that is not known.

        Raises:
            Refused: TOO_LARGE, or DENIED by a quota.
        """
        room = await self._uploads.check_room(self.repository, self.size + (announced or 0))
        batch = _Batch(self._add)
        size = self.size
        try:
            async for chunk in chunks:
                size += len(chunk)
                if size > room:
                    room = await self._uploads.check_room(self.repository, size)
                await batch.take(chunk)
        finally:
            await batch.finish()

    async def finish(self, digest: Digest) -> None:
        """Verify the whole, and make it a blob.

        Raises:
            Refused: DIGEST_INVALID; the upload is gone then.
        """
        found = await self._digest(algorithm_of(digest))
        if found != digest:
            await self._uploads.forget(self.repository, self.upload_id)
            raise Refused(
                Code.DIGEST_INVALID,
                "provided digest did not match uploaded content",
                detail={"digest": digest, "actual": found},
            )
        await self._uploads.publish(self, digest)

    async def _add(self, pieces: Sequence[bytes]) -> None:
        hashing = self._hashing
        if hashing.size != self.size:
            # It did not see what came before a restart: no use in going on.
            await self.staging.append(*pieces)
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.staging.append(*pieces))
                group.create_task(hashing.add(*pieces))
        except BaseExceptionGroup as failures:
            # Which of the two have the pieces, nobody knows.
            hashing.spoil()
            raise failures.exceptions[0] from None
        except BaseException:
            hashing.spoil()
            raise

    async def _digest(self, algorithm: str) -> str:
        hashing = self._hashing
        if algorithm != "sha256" or hashing.size != self.size:
            hashing = Hashing(hashlib.new(algorithm))
            async for chunk in self.staging.read(0, self.size):
                await hashing.add(chunk)
        return f"{algorithm}:{hashing.hexdigest()}"


class _Batch:
    """Pieces on their way to the disk: while some are written, more are collected.

    So pieces are the larger the slower the disk is, within a bound, and none waits without need.
    """

    def __init__(self, add: Callable[[Sequence[bytes]], Coroutine[object, object, None]]) -> None:
        self._add = add
        self._pieces: list[bytes] = []
        self._size = 0
        self._writing: asyncio.Task[None] | None = None

    async def take(self, piece: bytes) -> None:
        """Collect a piece; waits while the disk is behind."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._writing is not None and (self._writing.done() or self._size >= _BATCH):
            await self._settle()
        if self._writing is None:
            self._write()

    async def finish(self) -> None:
        """Return when everything that was taken is written; raises what went wrong."""
        await self._settle()
        if self._pieces:
            self._write()
            await self._settle()

    def _write(self) -> None:
        pieces, self._pieces, self._size = self._pieces, [], 0
        # Held here, and waited for by `finish`.
        self._writing = asyncio.get_running_loop().create_task(self._add(pieces))

    async def _settle(self) -> None:
        writing, self._writing = self._writing, None
        if writing is None:
            return
        try:
            await writing
        except BaseException:
            # What came behind it must not be written without it.
            self._pieces.clear()
            raise


def _data(repository: str, upload_id: str) -> str:
    return f"{layout.upload(repository, upload_id)}/data"


def _checked(upload_id: str) -> str:
    if _ID.fullmatch(upload_id) is None:
        raise _unknown(upload_id)
    return upload_id


def _unknown(upload_id: str) -> Refused:
    return Refused(
        Code.BLOB_UPLOAD_UNKNOWN, "blob upload unknown to registry", detail=upload_id[:100]
    )
