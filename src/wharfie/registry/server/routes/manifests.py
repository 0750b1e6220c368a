"""`/v2/<name>/manifests/<tag or digest>`: OCI distribution spec 1.1, end-3, end-7, end-9."""

from __future__ import annotations

from wharfie.registry.errors import Code, Refused
from wharfie.registry.names import check_digest, check_tag
from wharfie.registry.ports.storage import NoSuchKey
from wharfie.registry.ports.watching import EventKind
from wharfie.registry.server.exchange import Exchange
from wharfie.registry.server.ranges import is_fresh
from wharfie.registry.server.services import Services
from wharfie.registry.storage.manifests import Manifest
from wharfie.web.errors import HttpError
from wharfie.web.reply import Reply, Response, encode_fields

_PATIENCE = 60.0
"""Seconds a manifest may take to arrive."""


async def get(services: Services, exchange: Exchange) -> Reply:
    """Serve a manifest as it was pushed, whatever the client says it accepts.

    Converting it would change its digest.
    """
    reference = _checked(exchange.target.word)
    upstream = services.upstream_of(exchange.repository)
    if upstream is not None:
        await upstream.want_manifest(exchange.identity, exchange.repository, reference)
    found = await _find(services, exchange.repository, reference)
    fields = encode_fields(("Docker-Content-Digest", found.digest), ("Etag", f'"{found.digest}"'))
    if is_fresh(exchange.header("if-none-match"), found.digest):
        return Response(304, headers=fields)
    if exchange.request.method != "HEAD":
        services.tell(
            exchange,
            EventKind.PULL,
            digest=found.digest,
            tag=_tag(reference),
            media_type=found.media_type,
            size=len(found.data),
            path=exchange.request.path,
        )
    return Response(200, found.data, found.media_type, fields)


async def put(services: Services, exchange: Exchange) -> Reply:
    """Store a manifest; everything it names must be here, but for its subject."""
    services.check_writable(exchange.repository)
    reference = _checked(exchange.target.word)
    data = await _body(services, exchange)
    media_type = exchange.header("content-type").partition(";")[0].strip()
    if media_type in ("application/octet-stream", "application/json", "text/plain"):
        # What programs say that do not care to say anything.
        media_type = ""
    manifests = services.content.manifests
    found, document = await manifests.put(exchange.repository, data, media_type, reference)
    services.content.catalogue.added(exchange.repository)
    path = f"/v2/{exchange.repository}/manifests/{found.digest}"
    services.tell(
        exchange,
        EventKind.PUSH,
        digest=found.digest,
        tag=_tag(reference),
        media_type=found.media_type,
        size=len(data),
        path=path,
    )
    fields = [services.location(path), ("Docker-Content-Digest", found.digest)]
    if document.subject:
        # Tells the client that it need not keep a list of referrers under a tag.
        fields.append(("OCI-Subject", document.subject))
    return Response(201, headers=encode_fields(*fields))


async def delete(services: Services, exchange: Exchange) -> Reply:
    """Remove a tag, or a manifest with its tags."""
    services.check_deletable(exchange.repository)
    reference = _checked(exchange.target.word)
    manifests = services.content.manifests
    tag = _tag(reference)
    try:
        if tag:
            digest = await manifests.delete_tag(exchange.repository, tag)
        else:
            version = services.content.catalogue.version
            await manifests.delete(exchange.repository, reference)
            digest = check_digest(reference)
            if not await manifests.all(exchange.repository):
                services.content.catalogue.removed(exchange.repository, version)
    except NoSuchKey:
        raise _unknown(reference) from None
    services.tell(
        exchange,
        EventKind.DELETE,
        digest="" if tag else digest,
        tag=tag,
        path=exchange.request.path,
    )
    return Response(202, headers=encode_fields(("Docker-Content-Digest", digest)))


async def _find(services: Services, repository: str, reference: str) -> Manifest:
    content = services.content
    try:
        digest = reference if ":" in reference else await content.tags.get(repository, reference)
        return await content.manifests.get(repository, digest)
    except NoSuchKey:
        if not await content.catalogue.has(repository):
            raise unknown_repository(repository) from None
        raise _unknown(reference) from None


async def _body(services: Services, exchange: Exchange) -> bytes:
    limit = services.config.limits.manifest
    try:
        return await exchange.request.body.read(limit=limit, timeout=_PATIENCE)
    except HttpError as error:
        if error.status != 413:
            raise
        raise Refused(
            Code.TOO_LARGE, f"manifest too large: at most {limit} bytes are accepted"
        ) from None


def _checked(reference: str) -> str:
    return check_digest(reference) if ":" in reference else check_tag(reference)


def _tag(reference: str) -> str:
    return "" if ":" in reference else reference


def _unknown(reference: str) -> Refused:
    return Refused(Code.MANIFEST_UNKNOWN, "manifest unknown", detail={"reference": reference})


def unknown_repository(repository: str) -> Refused:
    """What is answered where a repository is not."""
    return Refused(
        Code.NAME_UNKNOWN, "repository name not known to registry", detail={"name": repository}
    )
