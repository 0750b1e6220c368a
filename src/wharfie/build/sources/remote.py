"""Contexts the daemon is told the address of: git repositories, archives, single Dockerfiles.

What is fetched is fetched by the solver's sources, with their guards and cache.
"""

from __future__ import annotations

from wharfie.build.session import CallerSession
from wharfie.model.build.contexts import ContextStore, HeldContext
from wharfie.model.build.solver import BuildJob
from wharfie.model.errors import InvalidArgument, NotSupported

_GIT = ("git://", "git@", "ssh://", "github.com/")
_WEB = ("http://", "https://")


class FetchedContexts:
    """See `build.ports.RemoteContexts`."""

    def __init__(self, contexts: ContextStore) -> None:
        self._contexts = contexts

    async def fetch(self, url: str, job: BuildJob, session: CallerSession) -> HeldContext:
        """A git repository, an archive or a single Dockerfile as a context."""
        del job, session
        if not url.startswith(_GIT + _WEB):
            raise InvalidArgument(f"remoteURL ({url}) could not be recognized as URL")
        raise NotSupported(f"remote build contexts are not supported yet: {url}")
