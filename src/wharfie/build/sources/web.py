"""Files of the web as sources: `ADD https://…`.

A file that was fetched is asked for again with its ETag; with a known checksum nobody is asked.
Redirects are followed, to http and https alone. Source: Dockerfile reference, "ADD"; BuildKit's
`source/http`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from contextlib import AsyncExitStack
from email.utils import parsedate_to_datetime
from typing import BinaryIO

from wharfie.build.solver.results import DirectoryResult
from wharfie.build.sources.addresses import refuse_metadata
from wharfie.build.sources.store import Fetched, FetchedStore
from wharfie.model.build.graph import SourceOp
from wharfie.model.errors import InvalidArgument, NotFound
from wharfie.web.client import (
    Client,
    ClientRequest,
    InvalidUrl,
    Reply,
    RequestError,
    Url,
    parse_url,
)

_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 10
_NOT_MODIFIED = 304
_MODE = "0600"
_FILENAME = "download"


class WebSource:
    """Fetches files.

    Args:
        client: sends requests.
        store: keeps what came.
        limit: bytes a file may have.
    """

    def __init__(self, client: Client, store: FetchedStore, *, limit: int) -> None:
        self._client = client
        self._store = store
        self._limit = limit
        self._tls: ssl.SSLContext | None = None

    async def fetch(self, operation: SourceOp, stack: AsyncExitStack) -> DirectoryResult:
        """A directory with the file alone in it, held by the stack.

        Raises:
            NotFound: the server has none; the message has the status.
            InvalidArgument: no URL we follow, another checksum, too large, or nobody answers.
        """
        attributes = operation.attributes
        filename = attributes.get("filename") or _FILENAME
        if filename in (".", "..") or "/" in filename or "\0" in filename:
            raise InvalidArgument(f"not a file name: {filename[:200]}")
        shape = [attributes.get(name, "") for name in ("filename", "mode", "uid", "gid")]
        address = " ".join([operation.identifier, *shape])
        wanted = attributes.get("checksum", "")
        known = self._store.find(address)
        entry = next((one for one in known if wanted and one.digest == wanted), None)
        if entry is None:
            entry = await self._ask(operation, address, known[0] if known else None)
        self._store.use(entry)
        self._store.hold(entry)
        stack.callback(self._store.release, entry)
        if wanted and entry.digest != wanted:
            raise InvalidArgument(f"digest mismatch {entry.digest}: {wanted}")
        key = " ".join(["web", entry.digest, entry.modified, *shape])
        return DirectoryResult(key, self._store.directory(entry))

    async def _ask(self, operation: SourceOp, address: str, known: Fetched | None) -> Fetched:
        try:
            url = parse_url(operation.identifier)
            for _ in range(_MAX_REDIRECTS):
                headers = {"If-None-Match": known.etag} if known and known.etag else {}
                request = ClientRequest(
                    method="GET",
                    url=url,
                    headers=headers,
                    tls=await self._context(url),
                    check=refuse_metadata,
                )
                async with self._client.exchange(request) as reply:
                    if reply.status in _REDIRECTS and "location" in reply.headers:
                        url = url.joined(reply.headers["location"])
                        continue
                    if known is not None and reply.status == _NOT_MODIFIED:
                        return known
                    return await self._take(operation, address, reply)
        except (RequestError, InvalidUrl) as error:
            raise InvalidArgument(f"failed to fetch {operation.identifier}: {error}") from None
        raise InvalidArgument(f"failed to fetch {operation.identifier}: too many redirects")

    async def _take(self, operation: SourceOp, address: str, reply: Reply) -> Fetched:
        if not 200 <= reply.status < 300:
            raise NotFound(
                f"failed to fetch {operation.identifier}: invalid response status {reply.status}"
            )
        modified = reply.headers.get("last-modified", "")
        attributes = operation.attributes
        async with self._store.begin() as directory:
            path = os.path.join(directory, attributes.get("filename") or _FILENAME)
            with open(path, "wb") as file:
                digest = await self._write(reply, file)
                os.fchmod(file.fileno(), int(attributes.get("mode") or _MODE, 8))
            os.chown(path, int(attributes.get("uid") or 0), int(attributes.get("gid") or 0))
            os.utime(path, (_seconds(modified), _seconds(modified)))
            return await self._store.add(
                directory,
                Fetched(
                    id="",
                    address=address,
                    digest=digest,
                    etag=reply.headers.get("etag", ""),
                    modified=modified,
                ),
            )

    async def _write(self, reply: Reply, file: BinaryIO) -> str:
        state = hashlib.sha256()
        size = 0

        def take(data: bytes) -> None:
            state.update(data)
            file.write(data)

        async for data in reply.chunks():
            size += len(data)
            if size > self._limit:
                raise InvalidArgument(f"the file has more than {self._limit} bytes")
            await asyncio.to_thread(take, data)
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
        return f"sha256:{state.hexdigest()}"

    async def _context(self, url: Url) -> ssl.SSLContext | None:
        if url.scheme != "https":
            return None
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls


def _seconds(modified: str) -> float:
    """When a file was changed; the beginning of time where its server does not know."""
    try:
        return parsedate_to_datetime(modified).timestamp() if modified else 0.0
    except ValueError:
        return 0.0
