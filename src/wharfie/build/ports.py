"""What the service of builds stands on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from wharfie.build.session import CallerSession
from wharfie.engine.events import EventBus
from wharfie.engine.images import Images
from wharfie.formats.oci.descriptor import Platform
from wharfie.model.build.contexts import ContextStore, HeldContext
from wharfie.model.build.plan import Frontend
from wharfie.model.build.solver import BuildCache, BuildJob, ImageExporter, Solved, Solver


class RemoteContexts(Protocol):
    """Fetches contexts the daemon is told the address of."""

    async def fetch(self, url: str, job: BuildJob, session: CallerSession) -> HeldContext:
        """A git repository, an archive or a single Dockerfile as a context.

        Raises:
            InvalidArgument: no URL of a kind that is known.
            EngineError: it cannot be fetched.
        """


class ResultOutputs(Protocol):
    """Sends root file systems to callers: `--output`."""

    async def send(self, solved: Solved, session: CallerSession, name: str) -> None:
        """Send the files of a result as a tar to the output of this name."""


class BuildPorts(Struct, frozen=True, kw_only=True):
    """Everything a build goes through."""

    frontend: Frontend
    solver: Solver
    exporter: ImageExporter
    cache: BuildCache
    contexts: ContextStore
    remotes: RemoteContexts
    outputs: ResultOutputs
    images: Images
    events: EventBus
    host: Platform
    entitlements: Sequence[str] = ()
