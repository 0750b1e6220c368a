"""`/v2/<name>/blobs/<digest>`. Source: OCI distribution spec 1.1, end-2 and end-10."""

from __future__ import annotations

from collections.abc import AsyncIterator

from wharfie.registry.errors import Code, Refused
from wharfie.registry.names import check_digest
from wharfie.registry.ports.storage import NoSuchKey, OpenObject
from wharfie.registry.ports.watching import EventKind
from wharfie.registry.server.exchange import Exchange
from wharfie.registry.server.ranges import asked_range, is_fresh
from wharfie.registry.server.services import Services
from wharfie.web.reply import FilePart, Reply, Response, Stream, encode_fields

_TYPE = "application/octet-stream"
_FOR_EVER = ("Cache-Control", "max-age=31536000")


async def get(services: Services, exchange: Exchange) -> Reply:
    """Serve a blob, or a part of it; HEAD tells that it is there."""
    digest = check_digest(exchange.target.word)
    upstream = services.upstream_of(exchange.repository)
    if upstream is not None and exchange.request.method == "HEAD":
        size = await upstream.blob_size(exchange.identity, exchange.repository, digest)
        if size is not None:
            fields = encode_fields(("Docker-Content-Digest", digest))
            return Stream(_nothing(), 200, _TYPE, fields, size)
    elif upstream is not None:
        arriving = await upstream.want_blob(exchange.identity, exchange.repository, digest)
        if arriving is not None:
            services.tell(
                exchange,
                EventKind.PULL,
                digest=digest,
                size=arriving.size,
                path=exchange.request.path,
            )
            fields = encode_fields(("Docker-Content-Digest", digest))
            return Stream(arriving.chunks, 200, _TYPE, fields, arriving.size)
    blobs = services.content.blobs
    is_head = exchange.request.method == "HEAD"
    # Whoever pushes asks so, and then relies on the answer.
    if is_head and not await blobs.show_interest(exchange.repository, digest):
        raise unknown(digest)
    try:
        opened = await blobs.open(exchange.repository, digest)
    except NoSuchKey:
        raise unknown(digest) from None
    try:
        reply = _answer(exchange, opened, digest)
        if not is_head and reply.status != 304:
            services.tell(
                exchange,
                EventKind.PULL,
                digest=digest,
                size=opened.size,
                path=exchange.request.path,
            )
    except BaseException:
        opened.close()
        raise
    return reply


def _answer(exchange: Exchange, opened: OpenObject, digest: str) -> Response | FilePart | Stream:
    fields = [
        ("Docker-Content-Digest", digest),
        ("Etag", f'"{digest}"'),
        ("Accept-Ranges", "bytes"),
        _FOR_EVER,
    ]
    if is_fresh(exchange.header("if-none-match"), digest):
        opened.close()
        return Response(304, headers=encode_fields(*fields))
    start, end, status = 0, opened.size, 200
    if_range = exchange.header("if-range")
    if not if_range or if_range == f'"{digest}"':
        asked = asked_range(exchange.header("range"), opened.size)
        if asked is not None:
            start, end = asked
            status = 206
            fields.append(("Content-Range", f"bytes {start}-{end - 1}/{opened.size}"))
    headers = encode_fields(*fields)
    if opened.descriptor >= 0:
        return FilePart(opened.descriptor, start, end - start, opened.close, status, _TYPE, headers)
    return Stream(_read(opened, start, end), status, _TYPE, headers, end - start)


async def _nothing() -> AsyncIterator[bytes]:
    """The body of an answer to HEAD."""
    for chunk in list[bytes]():
        yield chunk


async def _read(opened: OpenObject, start: int, end: int) -> AsyncIterator[bytes]:
    try:
        async for chunk in opened.read(start, end):
            yield chunk
    finally:
        opened.close()


async def delete(services: Services, exchange: Exchange) -> Reply:
    """Take a blob from a repository; one a manifest needs stays."""
    services.check_deletable(exchange.repository)
    digest = check_digest(exchange.target.word)
    try:
        await services.content.delete_blob(exchange.repository, digest)
    except NoSuchKey:
        raise unknown(digest) from None
    services.tell(exchange, EventKind.DELETE, digest=digest, path=exchange.request.path)
    return Response(202, headers=encode_fields(("Docker-Content-Digest", digest)))


def unknown(digest: str) -> Refused:
    """What is answered where a blob is not."""
    return Refused(Code.BLOB_UNKNOWN, "blob unknown to registry", detail={"digest": digest})
