"""`/v2/<name>/tags/list` and `/v2/_catalog`: lists in pages.

Source: OCI distribution spec 1.1, end-8a and end-8b; Docker's registry for the catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from wharfie.registry.server.exchange import Exchange
from wharfie.registry.server.paging import next_link, page_size
from wharfie.registry.server.routes.manifests import unknown_repository
from wharfie.registry.server.services import Services
from wharfie.registry.storage.tags import page
from wharfie.web.reply import Reply, Response, encode_fields


async def tags(services: Services, exchange: Exchange) -> Reply:
    """List a repository's tags, sorted; all of them up to a bound, unless asked for fewer."""
    limits = services.config.limits
    size = page_size(exchange, default=limits.page, most=limits.page)
    repository = exchange.repository
    upstream = services.upstream_of(repository)
    names: Sequence[str] | None = None
    if upstream is not None:
        names = await upstream.tags(exchange.identity, repository)
    if names is None:
        names = await services.content.tags.all(repository)
        if not names and not await services.content.catalogue.has(repository):
            raise unknown_repository(repository)
    found, more = page(names, exchange.parameter("last") or "", size)
    fields = []
    if more and found:
        fields.append(next_link(f"/v2/{repository}/tags/list", last=found[-1], size=size))
    body = msgspec.json.encode({"name": repository, "tags": found})
    return Response(200, body, "application/json", encode_fields(*fields))


async def catalogue(services: Services, exchange: Exchange) -> Reply:
    """List the repositories this client may pull."""
    limits = services.config.limits
    size = page_size(exchange, default=limits.default_page, most=limits.page)
    names = await services.content.catalogue.all()
    found, more = page(names, exchange.parameter("last") or "", size)
    fields = []
    if more and found:
        fields.append(next_link("/v2/_catalog", last=found[-1], size=size))
    allowed = await exchange.visible(found)
    shown = [name for name in allowed if not services.hides(exchange.identity, name)]
    body = msgspec.json.encode({"repositories": shown})
    return Response(200, body, "application/json", encode_fields(*fields))
