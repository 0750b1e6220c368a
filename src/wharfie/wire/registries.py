"""Bodies about registries: logins, distribution, search. Source: Engine API."""

from __future__ import annotations

from msgspec import Struct

from wharfie.model.content import Descriptor, Platform
from wharfie.model.registry import SearchResult


class AuthReply(Struct, rename="pascal", frozen=True):
    """`POST /auth`."""

    status: str
    identity_token: str = ""


class DistributionInspect(Struct, rename="pascal", frozen=True):
    """`GET /distribution/{name}/json`."""

    descriptor: Descriptor
    platforms: list[Platform]


class SearchItem(Struct, frozen=True):
    """One of `GET /images/search`."""

    star_count: int
    is_official: bool
    name: str
    is_automated: bool
    description: str

    @classmethod
    def of(cls, found: SearchResult) -> SearchItem:
        """From what the registry said."""
        return cls(
            star_count=found.star_count,
            is_official=found.is_official,
            name=found.name,
            is_automated=found.is_automated,
            description=found.description,
        )
