"""Blobs on their way from an upstream: each is fetched once for all who want it meanwhile.

What comes is added to an upload of the repository, like a push, and becomes a blob of it only with
the right digest. Followers are handed what has come so far, but for the last bytes: those they
get when the whole was verified. If it was not, their answer breaks off, so that nobody can take
it for whole.

    upstream ──▶ upload (a file) ──▶ digest right? ──▶ blob
                    └──▶ followers, at their own pace, the last bytes held back
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from wharfie.formats.digest import Digest
from wharfie.model.nursery import Nursery
from wharfie.registry.cache.remote import Remote, Unreachable
from wharfie.registry.client import RemoteRepository
from wharfie.registry.errors import Code, Refused
from wharfie.registry.ports import NoSuchKey
from wharfie.registry.ports.upstream import Arriving
from wharfie.registry.storage import Content
from wharfie.registry.storage.uploads import OpenUpload
from wharfie.web.client import ConnectionLost

_log = logging.getLogger(__name__)
_AT_ONCE = 16
_ATTEMPTS = 4
_PAUSE = 0.2
_PIECE = 1 << 20
_HELD = 1 << 10
"""Bytes at the end nobody gets before the whole is verified."""
_MOST_WAITING = 1000


class Download:
    """One blob on its way into one repository."""

    def __init__(self, repository: str, digest: Digest) -> None:
        self.repository = repository
        self.digest = digest
        self.size: int | None = None
        self.failure: Refused | None = None
        self.is_done = False
        self._upload: OpenUpload | None = None
        self._readers = 0
        self._is_closing = False
        self._changed = asyncio.Condition()

    async def begun(self) -> None:
        """Wait until its size is known, or it has ended.

        Raises:
            Refused: it failed.
        """
        async with self._changed:
            await self._changed.wait_for(
                lambda: self.is_done or self.failure is not None or self.size is not None
            )
        if self.failure is not None:
            raise self.failure

    async def ended(self) -> None:
        """Wait until it is a blob.

        Raises:
            Refused: it failed.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self.is_done or self.failure is not None)
        if self.failure is not None:
            raise self.failure

    async def follow(self, content: Content) -> AsyncIterator[bytes]:
        """Yield the bytes in order, as they come.

        Raises:
            ConnectionAbortedError: it failed; what was handed out so far is worth nothing.
        """
        sent = 0
        while (piece := await self._next(sent)) is not None:
            sent += len(piece)
            yield piece
        if self.failure is not None:
            raise ConnectionAbortedError(str(self.failure))
        try:
            opened = await content.blobs.open(self.repository, self.digest)
        except NoSuchKey:
            raise ConnectionAbortedError("the blob went again") from None
        try:
            async for chunk in opened.read(sent, opened.size):
                yield chunk
        finally:
            opened.close()

    async def _next(self, sent: int) -> bytes | None:
        """A piece behind `sent`; None once the rest is to be had from the blob, or not at all."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self.is_done or self.failure is not None or self._to_hand_out() > sent
            )
            if self.is_done or self.failure is not None or self._upload is None:
                return None
            end = min(self._to_hand_out(), sent + _PIECE)
            self._readers += 1
            staging = self._upload.staging
        try:
            return b"".join([chunk async for chunk in staging.read(sent, end)])
        finally:
            async with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    def _to_hand_out(self) -> int:
        if self._upload is None or self._is_closing or self.size is None:
            return 0
        return min(self._upload.size, self.size - _HELD)

    # For the one that fetches

    async def announce(self, upload: OpenUpload, size: int | None) -> None:
        """The upstream answers."""
        async with self._changed:
            self._upload, self.size = upload, size
            self._changed.notify_all()

    async def grown(self) -> None:
        """More bytes are there."""
        async with self._changed:
            self._changed.notify_all()

    async def close_file(self) -> None:
        """Let nobody read the upload's file any more: its descriptor is about to be closed."""
        async with self._changed:
            self._is_closing = True
            await self._changed.wait_for(lambda: self._readers == 0)

    async def end(self, failure: Refused | None) -> None:
        """It is a blob, or it failed."""
        async with self._changed:
            self.failure, self.is_done = failure, failure is None
            self._changed.notify_all()


class Downloads:
    """All blobs on their way.

    Args:
        content: where they go.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
        self._under_way: dict[tuple[str, str], Download] = {}
        self._nursery = Nursery()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self.fetched = 0
        """Bytes that came from upstreams."""

    async def join(self, remote: Remote, repository: str, digest: Digest) -> Arriving | None:
        """Have a blob fetched, or join those who wait for it.

        Returns:
            The blob as it arrives, None when it is there by now.

        Raises:
            Refused: the upstream has none, or cannot be reached.
        """
        key = (repository, digest)
        download = self._under_way.get(key)
        if download is None:
            if len(self._under_way) >= _MOST_WAITING:
                raise Refused(
                    Code.TOOMANYREQUESTS, "too much is fetched already",
                    headers=[("Retry-After", "5")],
                )  # fmt: skip
            download = self._under_way[key] = Download(repository, digest)
            self._nursery.start(self._run(remote, download), f"fetching {digest}")
        await download.begun()
        if download.size is None or download.size <= _HELD:
            await download.ended()
        if download.is_done:
            return None
        assert download.size is not None
        return Arriving(download.size, download.follow(self._content))

    async def close(self) -> None:
        """Stop; what has come so far is swept like any upload."""
        await self._nursery.close(grace=0)

    async def _run(self, remote: Remote, download: Download) -> None:
        failure: Refused | None = Refused(Code.UNAVAILABLE, "the registry is stopping")
        try:
            async with self._room:
                await self._fetch(remote, download)
            failure = None
        except Refused as refused:
            failure = refused
        except Unreachable:
            failure = remote.unavailable()
        except OSError as error:
            _log.error("fetching %s: %s", download.digest, error)
            failure = Refused(Code.UNAVAILABLE, f"storage failed: {error.strerror or error}")
        finally:
            self._under_way.pop((download.repository, download.digest), None)
            await download.end(failure)

    async def _fetch(self, remote: Remote, download: Download) -> None:
        unknown = Refused(
            Code.BLOB_UNKNOWN, "blob unknown to registry", detail={"digest": download.digest}
        )
        there = remote.repository(download.repository)
        uploads = self._content.uploads
        upload_id = await uploads.begin(download.repository)
        try:
            async with uploads.open(download.repository, upload_id) as upload:

                async def get() -> None:
                    await self._receive(there, download, upload)

                await self._retrying(lambda: remote.ask(get, unknown), upload)
                await download.close_file()
                await self._finish(remote, download, upload)
        except BaseException:
            await download.close_file()
            await uploads.forget(download.repository, upload_id)
            raise

    async def _finish(self, remote: Remote, download: Download, upload: OpenUpload) -> None:
        try:
            await upload.finish(download.digest)
        except Refused as refused:
            if refused.code is not Code.DIGEST_INVALID:
                raise
            _log.warning(
                "%s sent other bytes than %s of %s: they are not kept",
                remote.name, download.digest, download.repository,
            )  # fmt: skip
            raise Refused(
                Code.UNAVAILABLE,
                f"the upstream registry {remote.name} sent bytes of another digest",
            ) from None

    async def _retrying(self, verb: Callable[[], Awaitable[None]], upload: OpenUpload) -> None:
        """Go on from where it broke off; tries that bring nothing are counted."""
        failures = 0
        while True:
            before = upload.size
            try:
                return await verb()
            except Unreachable:
                failures = 1 if upload.size > before else failures + 1
                if failures >= _ATTEMPTS:
                    raise
                await asyncio.sleep(_PAUSE * 2**failures)

    async def _receive(
        self, there: RemoteRepository, download: Download, upload: OpenUpload
    ) -> None:
        if download.size is not None and upload.size >= download.size:
            return
        async with there.open_blob(download.digest, upload.size) as blob:
            total = None if blob.length is None else blob.start + blob.length
            if download.size is not None and total != download.size:
                raise ConnectionLost("the size of the blob has changed")
            # What cannot be read while it arrives is waited for as a whole.
            await download.announce(upload, total if upload.staging.is_live else None)
            skip = upload.size - blob.start

            async def chunks() -> AsyncIterator[bytes]:
                nonlocal skip
                async for chunk in blob.chunks:
                    rest = chunk[skip:] if skip else chunk
                    skip = max(0, skip - len(chunk))
                    if rest:
                        yield rest
                        self.fetched += len(rest)
                        await download.grown()

            await upload.receive(chunks(), None if total is None else total - upload.size)
            await download.grown()
