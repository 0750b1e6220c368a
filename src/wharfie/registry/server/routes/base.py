"""`/v2/`: the answer that says this is a registry. Source: OCI distribution spec 1.1, end-1."""

from __future__ import annotations

from wharfie.registry.server.exchange import Exchange
from wharfie.registry.server.services import Services
from wharfie.web.reply import Reply, Response


async def check(_services: Services, _exchange: Exchange) -> Reply:
    """Say yes, once access control had nothing against it."""
    return Response(200, b"{}", "application/json")
