"""What a caller lends a build while it runs: contexts, secrets, ssh agents, credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from wharfie.formats.digest import Digest
from wharfie.model.registry import Credentials


class ContextTree(Protocol):
    """A received build context: a directory that nobody changes while it is held."""

    @property
    def directory(self) -> str:
        """Absolute path of its files. Hostile: only walked fd-relative or in a jail worker."""

    @property
    def index(self) -> str:
        """Absolute path of a file that tells the digests of files, "" for none.

        Each is the hex digits of a SHA-256, a space, a path and NUL.
        """

    def file_digest(self, path: str) -> Digest | None:
        """Digest of a regular file's bytes if it is known already, else None."""


class BuildSession(Protocol):
    """One caller's side of one build."""

    async def context(self, name: str) -> ContextTree:
        """A context by name: "context", "dockerfile", or a named one.

        Raises:
            NotFound: the caller sent none of that name.
        """

    async def secret(self, id_: str) -> bytes | None:
        """A secret's bytes, None where the caller has none of this ID."""

    async def ssh_agent(self, id_: str) -> int | None:
        """A connected stream socket to the caller's ssh agent, which the taker closes."""

    @property
    def credentials(self) -> Mapping[str, Credentials]:
        """By registry host."""
