"""Builds: from a request to a tagged image, and what is left behind for the next.

    request ─▶ context (body, session, URL) ─▶ frontend: plan ─▶ solver: layers ─▶ exporter: image

Each build is one task; whoever reads its happenings owns it, and its end is the build's end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from wharfie.build.happenings import Happening
from wharfie.build.ports import BuildPorts
from wharfie.build.request import BuildRequest
from wharfie.build.run import BuildRun
from wharfie.build.session import Sessions
from wharfie.build.steps import KnownSteps
from wharfie.build.stream import Telling, told
from wharfie.model.build.solver import CacheRecord, PruneRequest
from wharfie.model.errors import Forbidden, InvalidArgument

_CONTEXTS = "build-contexts"


class Builds:
    """Verbs on builds and on the build cache."""

    def __init__(self, ports: BuildPorts) -> None:
        self._ports = ports
        self._known = KnownSteps()
        self._running: dict[str, Telling] = {}
        self._count = 0
        self.sessions = Sessions()

    def build(self, request: BuildRequest, body: AsyncIterator[bytes]) -> AsyncIterator[Happening]:
        """Build; closing the iterator cancels and removes what was made.

        Args:
            request: what is asked for.
            body: the context as a tar, where it comes with the request.

        Raises:
            EngineError: while it is read; before the first happening where the request, the
                context or the Dockerfile is wrong.
        """

        async def work(telling: Telling) -> None:
            self._check(request)
            if request.id:
                self._running[request.id] = telling
            self._count += 1
            try:
                await self._build(request, body, telling)
            finally:
                self._count -= 1
                if request.id:
                    self._running.pop(request.id, None)

        return told(work)

    def cancel(self, id_: str) -> None:
        """Cancel a build by the name its caller gave it; one that is over is no error.

        Raises:
            InvalidArgument: no name.
        """
        if not id_:
            raise InvalidArgument("build ID not provided")
        telling = self._running.get(id_)
        if telling is not None:
            telling.cancel()

    async def records(self) -> Sequence[CacheRecord]:
        """What builds left behind, the files of contexts as one record."""
        found = list(self._ports.cache.records())
        total, _ = await self._ports.contexts.usage()
        if total:
            found.append(
                CacheRecord(
                    id=_CONTEXTS,
                    kind="source.local",
                    description="files of build contexts",
                    in_use=self._count > 0,
                    size=total,
                )
            )
        return found

    async def prune(self, request: PruneRequest) -> tuple[Sequence[str], int]:
        """Delete what builds left behind; returns IDs and bytes."""
        ids, freed = await self._ports.cache.prune(request)
        if _concerns_contexts(request):
            more = await self._ports.contexts.prune(
                keep=max(request.reserved, request.maximum), until=_until(request)
            )
            if more:
                ids, freed = [*ids, _CONTEXTS], freed + more
        self._known.clear()
        self._ports.events.publish("builder", "prune", "", {"reclaimed": str(freed)})
        return ids, freed

    async def _build(
        self, request: BuildRequest, body: AsyncIterator[bytes], telling: Telling
    ) -> None:
        lent = await self.sessions.find(request.session) if request.session else None
        run = BuildRun(self._ports, self._known, request, telling)
        try:
            await run.begin(lent)
            await run.run(body)
        finally:
            await run.close()

    def _check(self, request: BuildRequest) -> None:
        refused = set(request.entitlements) - set(self._ports.entitlements)
        if refused:
            names = ", ".join(sorted(refused))
            raise Forbidden(f"the entitlement {names} is not allowed by this engine")


def _concerns_contexts(request: PruneRequest) -> bool:
    """Tell whether filters leave room for what has no parents and is shared by nobody."""
    types = request.filters.get("type", [])
    others = set(request.filters) - {"type", "until", "unused-for"}
    return not others and (not types or "source.local" in types)


def _until(request: PruneRequest) -> Callable[[float], bool] | None:
    before = request.before
    return None if before is None else lambda used: used < before / 1e9
