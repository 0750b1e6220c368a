"""`/v2/<name>/blobs/uploads/<id>`: blobs on their way in, and mounts.

    POST                        an upload begins: 202 with its Location
    POST ?digest=               the body is the blob: 201
    POST ?mount=&from=          another repository's blob: 201, or 202 as above
    PATCH [Content-Range]       a chunk, or a stream: 202 with the Range received
    PUT ?digest=                the end, with a last chunk or none: 201
    GET                         how far it got: 204
    DELETE                      never mind: 204

Source: OCI distribution spec 1.1, end-4a to end-6, end-11, end-13.
"""

from __future__ import annotations

from collections.abc import Sequence

from wharfie.formats.digest import Digest
from wharfie.registry.errors import Code, Refused
from wharfie.registry.names import check_digest, is_repository
from wharfie.registry.ports.access import Action, Ask
from wharfie.registry.ports.watching import EventKind
from wharfie.registry.server.exchange import Exchange
from wharfie.registry.server.ranges import chunk_range
from wharfie.registry.server.services import Services
from wharfie.registry.storage.uploads import OpenUpload
from wharfie.web.reply import Reply, Response, encode_fields


def asks_of_post(exchange: Exchange) -> Sequence[Ask]:
    """A mount needs to pull from where the blob is; without that it is an upload."""
    asks = [Ask(Action.PUSH, exchange.repository), Ask(Action.PULL, exchange.repository)]
    source = exchange.parameter("from") or ""
    if exchange.parameter("mount") and is_repository(source):
        asks.append(Ask(Action.PULL, source, is_optional=True))
    return asks


async def post(services: Services, exchange: Exchange) -> Reply:
    """Begin an upload, or do all of it."""
    services.check_writable(exchange.repository)
    if exchange.target.word:
        raise Refused(Code.UNSUPPORTED, "POST begins uploads, it does not go on with them")
    mount = exchange.parameter("mount")
    if mount:
        mounted = await _mount(services, exchange, mount)
        if mounted is not None:
            return mounted
    digest = exchange.parameter("digest")
    checked = check_digest(digest) if digest and not mount else None
    uploads = services.content.uploads
    upload_id = await uploads.begin(exchange.repository)
    if checked is None:
        return _accepted(services, exchange, upload_id, 0)
    try:
        async with uploads.open(exchange.repository, upload_id) as upload:
            await upload.receive(exchange.request.body.__aiter__(), exchange.request.body.length)
            return await _finish(services, exchange, upload, checked)
    except BaseException:
        # Nobody was told of this upload, so nobody can go on with it.
        await uploads.forget(exchange.repository, upload_id)
        raise


async def patch(services: Services, exchange: Exchange) -> Reply:
    """Take a chunk, or a stream of unknown length."""
    services.check_writable(exchange.repository)
    upload_id = exchange.target.word
    async with services.content.uploads.open(exchange.repository, upload_id) as upload:
        _check_place(services, exchange, upload)
        await upload.receive(exchange.request.body.__aiter__(), exchange.request.body.length)
        return _accepted(services, exchange, upload_id, upload.size)


async def put(services: Services, exchange: Exchange) -> Reply:
    """Take the last chunk, if any, and make the upload a blob."""
    services.check_writable(exchange.repository)
    digest = _wanted_digest(exchange)
    async with services.content.uploads.open(exchange.repository, exchange.target.word) as upload:
        if exchange.request.body.length != 0:
            _check_place(services, exchange, upload)
            await upload.receive(exchange.request.body.__aiter__(), exchange.request.body.length)
        return await _finish(services, exchange, upload, digest)


async def get(services: Services, exchange: Exchange) -> Reply:
    """Tell how far an upload got."""
    upload_id = exchange.target.word
    size = await services.content.uploads.size(exchange.repository, upload_id)
    return Response(204, headers=encode_fields(*_progress(services, exchange, upload_id, size)))


async def delete(services: Services, exchange: Exchange) -> Reply:
    """Forget an upload: not a deletion of content, so it needs no leave for that."""
    services.check_writable(exchange.repository)
    upload_id = exchange.target.word
    await services.content.uploads.cancel(exchange.repository, upload_id)
    return Response(204, headers=encode_fields(("Docker-Upload-UUID", upload_id)))


async def _mount(services: Services, exchange: Exchange, mount: str) -> Reply | None:
    """Take a blob from another repository; None makes the client upload it."""
    source = exchange.parameter("from") or ""
    if not exchange.may(Action.PULL, source) or source == exchange.repository:
        return None
    if services.hides(exchange.identity, source):
        return None
    digest = check_digest(mount)
    if not await services.content.blobs.mount(exchange.repository, digest, source):
        return None
    path = _blob_path(exchange, digest)
    services.tell(
        exchange,
        EventKind.MOUNT,
        digest=digest,
        size=await services.content.blobs.size(digest),
        source=source,
        path=path,
    )
    return _created(services, path, digest)


async def _finish(
    services: Services, exchange: Exchange, upload: OpenUpload, digest: Digest
) -> Reply:
    size = upload.size
    await upload.finish(digest)
    path = _blob_path(exchange, digest)
    services.tell(exchange, EventKind.PUSH, digest=digest, size=size, path=path)
    return _created(services, path, digest)


def _wanted_digest(exchange: Exchange) -> Digest:
    text = exchange.parameter("digest")
    if not text:
        raise Refused(Code.DIGEST_INVALID, "the digest parameter is missing")
    return check_digest(text)


def _check_place(services: Services, exchange: Exchange, upload: OpenUpload) -> None:
    """Refuse a chunk that does not begin where the last one ended, or lies about its length."""
    where = encode_progress(services, exchange, upload)
    try:
        claimed = chunk_range(exchange.header("content-range"))
    except Refused as refused:
        raise Refused(refused.code, refused.message, headers=where) from None
    if claimed is None:
        return
    first, last = claimed
    if first != upload.size:
        raise Refused(
            Code.RANGE_INVALID,
            f"the chunk begins at {first}, the upload is at {upload.size}",
            headers=where,
        )
    length = exchange.request.body.length
    if length is not None and length != last - first + 1:
        raise Refused(Code.SIZE_INVALID, "Content-Range and Content-Length do not agree")


def encode_progress(
    services: Services, exchange: Exchange, upload: OpenUpload
) -> Sequence[tuple[str, str]]:
    """The fields that tell a client where to go on."""
    return _progress(services, exchange, upload.upload_id, upload.size)


def _progress(
    services: Services, exchange: Exchange, upload_id: str, size: int
) -> Sequence[tuple[str, str]]:
    path = f"/v2/{exchange.repository}/blobs/uploads/{upload_id}"
    return (
        services.location(path),
        # Inclusive, so nothing and one byte look the same; as Docker's registry has it.
        ("Range", f"0-{max(0, size - 1)}"),
        ("Docker-Upload-UUID", upload_id),
    )


def _accepted(services: Services, exchange: Exchange, upload_id: str, size: int) -> Reply:
    return Response(202, headers=encode_fields(*_progress(services, exchange, upload_id, size)))


def _created(services: Services, path: str, digest: str) -> Reply:
    fields = (services.location(path), ("Docker-Content-Digest", digest))
    return Response(201, headers=encode_fields(*fields))


def _blob_path(exchange: Exchange, digest: str) -> str:
    return f"/v2/{exchange.repository}/blobs/{digest}"
