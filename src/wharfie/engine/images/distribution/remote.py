"""What registries know: logins, images that are not here, searches."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from wharfie.engine.images.records.catalog import parse
from wharfie.engine.images.records.documents import MAX_CONFIG, decode_config
from wharfie.formats.oci.descriptor import Descriptor, Platform
from wharfie.formats.oci.document import DocumentError
from wharfie.formats.oci.manifest import Index, parse_manifest
from wharfie.formats.reference import Reference
from wharfie.model.errors import InvalidArgument, Unauthorized
from wharfie.model.registry import (
    AccessRefused,
    Credentials,
    Login,
    Registries,
    RegistryMisbehaves,
    Repository,
    SearchResult,
)

_DEFAULT_RESULTS = 25
_MAX_RESULTS = 100


class RemoteImage(Struct, frozen=True):
    """What a reference names at its registry, and which platforms that serves."""

    descriptor: Descriptor
    platforms: Sequence[Platform]


class SearchFilters(Struct, frozen=True, kw_only=True):
    """Which results to show; None does not filter."""

    stars: int = 0
    is_official: bool | None = None
    is_automated: bool | None = None


class RemoteImages:
    """Verbs on registries that change nothing here."""

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def login(self, credentials: Credentials) -> Login:
        """Check credentials with the registry they are for.

        Raises:
            Unauthorized: the registry refuses them.
        """
        return await self._registries.login(credentials)

    async def inspect(self, ref: str, credentials: Credentials) -> RemoteImage:
        """Ask the registry what a reference names.

        Raises:
            InvalidArgument: not a reference.
            NotFound: there is nothing of that name.
            Unauthorized: the registry wants credentials, or others.
        """
        reference: Reference = parse(ref).tagged()
        repository = self._registries.repository(reference, credentials)
        try:
            manifest = await repository.manifest(reference.digest or reference.tag)
        except AccessRefused as error:
            raise Unauthorized(error.message) from None
        try:
            parsed = parse_manifest(manifest.data, manifest.media_type)
        except DocumentError as error:
            raise RegistryMisbehaves(f"{reference.familiar()}: {error}") from None
        descriptor = Descriptor(
            media_type=parsed.media_type or manifest.media_type,
            digest=manifest.digest,
            size=len(manifest.data),
        )
        if isinstance(parsed, Index):
            platforms = [entry.platform for entry in parsed.manifests if entry.platform]
        else:
            platforms = [await _platform(repository, parsed.config)]
        return RemoteImage(descriptor, platforms)

    async def search(
        self, term: str, credentials: Credentials, *, limit: int, filters: SearchFilters
    ) -> Sequence[SearchResult]:
        """Ask a registry's search.

        Args:
            term: what to look for, perhaps behind a registry's name.
            credentials: for the registry.
            limit: of results, 0 for the default.
            filters: applied to what it finds.

        Raises:
            InvalidArgument: a limit out of bounds.
        """
        if not 0 <= limit <= _MAX_RESULTS:
            raise InvalidArgument(f"limit {limit} is outside the range of [1, {_MAX_RESULTS}]")
        found = await self._registries.search(term, credentials, limit=limit or _DEFAULT_RESULTS)
        return [
            result
            for result in found
            if result.star_count >= filters.stars
            and filters.is_official in (None, result.is_official)
            and filters.is_automated in (None, result.is_automated)
        ]


async def _platform(repository: Repository, config: Descriptor) -> Platform:
    document = decode_config(await repository.document(config, MAX_CONFIG))
    return Platform(architecture=document.architecture, os=document.os, variant=document.variant)
