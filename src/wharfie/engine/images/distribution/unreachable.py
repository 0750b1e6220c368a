"""An engine that reaches no registry: for tests, and for parts that are wired without one."""

from __future__ import annotations

from collections.abc import Sequence

from wharfie.formats.reference import Reference
from wharfie.model.registry import (
    Credentials,
    Login,
    RegistryUnreachable,
    Repository,
    SearchResult,
)


class NoRegistries:
    """An engine without a registry client: none is in reach. See `Registries`."""

    def repository(
        self,
        reference: Reference,
        credentials: Credentials,  # noqa: ARG002 - the port's
        *,
        push: bool = False,  # noqa: ARG002 - the port's
    ) -> Repository:
        """Always refuses."""
        raise RegistryUnreachable(f"no registry client to ask {reference.domain}")

    async def login(self, credentials: Credentials) -> Login:  # noqa: ARG002 - the port's
        """Always refuses."""
        raise RegistryUnreachable("no registry client")

    async def search(
        self,
        term: str,  # noqa: ARG002 - the port's
        credentials: Credentials,  # noqa: ARG002 - the port's
        *,
        limit: int,  # noqa: ARG002 - the port's
    ) -> Sequence[SearchResult]:
        """Always refuses."""
        raise RegistryUnreachable("no registry client")
