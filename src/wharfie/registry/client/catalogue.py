"""The catalogue of a registry, page by page. Source: Docker registry v2, "Listing Repositories"."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, field

from wharfie.formats.oci.document import MAX_DOCUMENT, DocumentError, decode
from wharfie.model.registry import RegistryMisbehaves
from wharfie.registry.client.session import Session

SCOPE = "registry:catalog:*"
_PAGE = 1000
_MOST = 1_000_000
_MOST_PAGES = 5000


class _Page(Struct, frozen=True):
    repositories: list[str] = field(default_factory=list)


async def list_repositories(session: Session) -> Sequence[str]:
    """Every repository a registry tells of.

    Raises:
        Refused: it does not tell.
        RegistryMisbehaves: the list leads elsewhere, or never ends.
    """
    url = session.url(f"/v2/_catalog?n={_PAGE}")
    found: dict[str, None] = {}
    for _ in range(_MOST_PAGES):
        async with session.exchange("GET", url) as (reply, final):
            if reply.status != 200:
                raise await session.refuse(reply, final)
            data = await reply.read(MAX_DOCUMENT)
            link = reply.headers.get("link", "")
        try:
            page = decode(data, _Page, what="catalogue")
        except DocumentError as error:
            raise RegistryMisbehaves(str(error)) from None
        found.update(dict.fromkeys(page.repositories))
        target = next_target(link)
        if not target or not page.repositories:
            return list(found)
        following = await session.resolve(target, url)
        if following.origin != url.origin:
            raise RegistryMisbehaves("the catalogue goes on at another host: refused")
        if len(found) > _MOST:
            break
        url = following
    raise RegistryMisbehaves("the catalogue has no end")


def next_target(link: str) -> str:
    """The URL of `Link: <…>; rel="next"`, "" for none."""
    if 'rel="next"' not in link.replace("rel=next", 'rel="next"'):
        return ""
    return link.partition("<")[2].partition(">")[0]
