"""`/v2/<name>/referrers/<digest>`: manifests that refer to a subject, as an index.

Those pushed to registries without this list stand in an index tagged `<algorithm>-<hex>`; they are
listed, too, if they do name the subject. Source: OCI distribution spec 1.1, end-12a and end-12b,
"Backwards Compatibility".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from wharfie.formats.oci.descriptor import OCI_INDEX
from wharfie.registry.errors import Refused
from wharfie.registry.names import check_digest
from wharfie.registry.ports.storage import NoSuchKey
from wharfie.registry.server.exchange import Exchange
from wharfie.registry.server.paging import next_link, page_size
from wharfie.registry.server.services import Services
from wharfie.registry.storage import Content
from wharfie.registry.storage.manifests import describe
from wharfie.registry.storage.tags import page
from wharfie.registry.storage.turns import breathe
from wharfie.web.reply import Reply, Response, encode_fields

_TAG = 128
_MAX_INDEX = 4 << 20


async def get(services: Services, exchange: Exchange) -> Reply:
    """List referrers; an empty list where there are none."""
    subject = check_digest(exchange.target.word)
    repository = exchange.repository
    upstream = services.upstream_of(repository)
    if upstream is not None:
        await upstream.want_referrers(exchange.identity, repository, subject)
    digests = await all_referrers(services.content, repository, subject)
    limits = services.config.limits
    size = page_size(exchange, default=limits.page, most=limits.page)
    found, more = page(digests, exchange.parameter("last") or "", size)
    wanted = exchange.parameter("artifactType")
    entries: list[msgspec.Raw] = []
    room = _MAX_INDEX
    for number, digest in enumerate(found):
        await breathe(number)
        entry = await _entry(services.content, repository, subject, digest)
        if entry is None or (wanted and entry[0] != wanted):
            continue
        room -= len(entry[1])
        if room < 0 and entries:
            found, more = found[:number], True
            break
        entries.append(msgspec.Raw(entry[1]))
    fields = []
    if wanted:
        fields.append(("OCI-Filters-Applied", "artifactType"))
    if more and found:
        path = f"/v2/{repository}/referrers/{subject}"
        others = {"artifactType": wanted} if wanted else {}
        fields.append(next_link(path, last=found[-1], size=size, **others))
    body = msgspec.json.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    return Response(200, body, OCI_INDEX, encode_fields(*fields))


async def all_referrers(content: Content, repository: str, subject: str) -> Sequence[str]:
    """Digests of everything that may refer to a subject, sorted."""
    found: set[str] = set(await content.manifests.referrers(repository, subject))
    found.update(await _tagged(content, repository, subject))
    return sorted(found)


async def _tagged(content: Content, repository: str, subject: str) -> Iterable[str]:
    try:
        digest = await content.tags.get(repository, subject.replace(":", "-")[:_TAG])
        document = await content.manifests.read(repository, digest)
    except (NoSuchKey, Refused):
        return ()
    return [one.digest for one in document.manifests]


async def _entry(
    content: Content, repository: str, subject: str, digest: str
) -> tuple[str, bytes] | None:
    """Artifact type and descriptor of a referrer; None for what is none, or not any more."""
    try:
        found = await content.manifests.get(repository, digest)
        document = await content.manifests.read(repository, digest)
    except (NoSuchKey, Refused):
        return None
    if document.subject != subject:
        return None
    return document.artifact_type, describe(found, document)
