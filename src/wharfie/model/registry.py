"""Registries: where images come from and go to.

A `Repository` is one repository of one registry, seen with one user's credentials; mirrors,
tokens, redirects and retries are its own business. What it hands out is verified: manifests and
documents have the digest they were asked by, a blob has at most the announced size and its
digest is checked when it is published.

Source: OCI distribution specification; behaviours 129-137.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from msgspec import Struct

from wharfie.formats.reference import Reference
from wharfie.model.content import Descriptor, PartialBlob
from wharfie.model.errors import Internal, InvalidArgument
from wharfie.model.ids import Digest


class Credentials(Struct, frozen=True, omit_defaults=True):
    """What a user shows a registry; JSON members of X-Registry-Auth. Never logged."""

    username: str = ""
    password: str = ""
    auth: str = ""
    email: str = ""
    serveraddress: str = ""
    identitytoken: str = ""
    registrytoken: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.username!r} at {self.serveraddress!r})"


ANONYMOUS = Credentials()


class RemoteManifest(Struct, frozen=True):
    """A manifest or index as its registry serves it: verified, not yet decoded."""

    digest: Digest
    media_type: str
    data: bytes


class Login(Struct, frozen=True):
    """A successful login; the token is "" unless the registry hands one out."""

    status: str
    identity_token: str = ""


class SearchResult(Struct, frozen=True):
    """One repository a search found."""

    name: str
    description: str = ""
    star_count: int = 0
    is_official: bool = False
    is_automated: bool = False


class RegistryUnreachable(Internal):
    """No registry could be asked; another try may succeed."""


class AccessRefused(Internal):
    """A registry wants credentials, or others. Not `Unauthorized`: this engine let the caller in.

    Clients answer 401 by asking the user for a password for the engine. Source: behaviours 130.
    """


class RegistryMisbehaves(InvalidArgument):
    """What a registry sent is not what was announced, or leads where nothing may be followed."""


class Repository(Protocol):
    """One repository."""

    def distrust(self) -> bool:
        """What came was wrong: ask no mirror any more; False when none was asked."""

    async def manifest(self, ref: str) -> RemoteManifest:
        """A manifest by tag or digest.

        Raises:
            NotFound: in Docker's words: no such tag, no such repository, access denied.
            AccessRefused: credentials are missing or wrong.
            RegistryUnreachable: nobody answers.
            RegistryMisbehaves: not what it is called.
        """

    async def tags(self) -> Sequence[str]:
        """All tags."""

    async def document(self, descriptor: Descriptor, limit: int) -> bytes:
        """A small blob of at most `limit` bytes, verified."""

    async def download(
        self, descriptor: Descriptor, into: PartialBlob, progress: Callable[[], None]
    ) -> None:
        """Fetch what is missing of a blob, in ranges where the registry has them.

        Args:
            descriptor: of the blob.
            into: keeps what came, whatever happens.
            progress: called whenever some bytes were added.
        """

    async def has_blob(self, digest: Digest) -> bool:
        """Tell whether the repository has a blob."""

    async def mount(self, digest: Digest, source: str) -> bool:
        """Have a blob taken over from another repository of the registry; False: not possible."""

    async def upload(
        self, descriptor: Descriptor, source: Callable[[], AsyncIterator[bytes]]
    ) -> None:
        """Send a blob of known digest and size; `source` opens it, for every try anew."""

    async def put_manifest(self, ref: str, media_type: str, data: bytes) -> Digest:
        """Publish a manifest under a tag (or its digest); the digest."""


class Registries(Protocol):
    """All registries in reach."""

    def repository(
        self, reference: Reference, credentials: Credentials, *, push: bool = False
    ) -> Repository:
        """A repository to pull from (mirrors are asked first) or to push to."""

    async def login(self, credentials: Credentials) -> Login:
        """Check credentials with the registry they are for.

        Raises:
            Unauthorized: the registry refuses them.
            RegistryUnreachable: it does not answer.
        """

    async def search(
        self, term: str, credentials: Credentials, *, limit: int
    ) -> Sequence[SearchResult]:
        """Ask a registry's search for repositories."""
