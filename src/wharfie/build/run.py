"""One build, from its context to its tags."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Self

from msgspec import structs

from wharfie.build.bridge import ImageBridge
from wharfie.build.definition import Definition, read_definition
from wharfie.build.happenings import Built, Reported, Warned
from wharfie.build.ports import BuildPorts
from wharfie.build.request import BuildRequest
from wharfie.build.session import CallerSession, LentSession
from wharfie.build.steps import KnownSteps, StepTeller, check_not_empty
from wharfie.build.stream import Telling
from wharfie.engine.images.records.selection import labels_of
from wharfie.formats.oci.descriptor import Platform
from wharfie.formats.oci.platform import normalize
from wharfie.formats.reference import familiar
from wharfie.formats.session import REMOTE
from wharfie.model.build.plan import FrontendRequest, PlannedImage, ResolveMode
from wharfie.model.build.progress import BuildMessage, ProgressSink
from wharfie.model.build.solver import BuildJob, ImageExport, Solved, SolveOptions
from wharfie.model.errors import NotSupported
from wharfie.model.filters import ImageFilters

_STREAMED = frozenset({"tar", "local"})
_HOST_NETWORK = "network.host"


class BuildRun:
    """One build; an async context that holds its contexts and its job at the solver.

    Args:
        ports: what builds stand on.
        known: steps of earlier builds.
        request: what is asked for.
        telling: takes what happens.
    """

    def __init__(
        self, ports: BuildPorts, known: KnownSteps, request: BuildRequest, telling: Telling
    ) -> None:
        self._ports = ports
        self._known = known
        self._request = request
        self._telling = telling
        self._sink = _Sink(telling)
        self._stack = AsyncExitStack()
        self._session: CallerSession
        self._job: BuildJob

    async def begin(self, lent: LentSession | None) -> Self:
        """Open session and job; `close` has to follow."""
        ports, request = self._ports, self._request
        self._session = CallerSession(ports.contexts, request.credentials, lent)
        self._stack.push_async_callback(self._session.close)
        self._job = await self._stack.enter_async_context(
            ports.solver.job(self._session, self._sink, _options(request))
        )
        return self

    async def close(self) -> None:
        """Let go of everything."""
        await self._stack.aclose()

    async def run(self, body: AsyncIterator[bytes]) -> None:
        """Plan, solve, export.

        Raises:
            EngineError: the build failed.
        """
        request, telling = self._request, self._telling
        definition = await self._definition(body)
        bridge = ImageBridge(self._ports.images, request.credentials, telling.tell)
        plan = await self._ports.frontend.plan(self._question(definition), bridge)
        telling.tell(Warned(plan.warnings, plan.unused_arguments))
        if plan.report:
            telling.tell(Reported(plan.report))
            return
        if len(plan.images) != 1:
            raise NotSupported("several platforms in one build are not supported yet")
        planned = plan.images[0]
        teller = self._sink.passes_to = StepTeller(self._known, telling.tell)
        solved = await teller.run(self._job, planned)
        check_not_empty(planned)
        streamed = [one for one in request.outputs if one.type in _STREAMED]
        for number, _ in enumerate(streamed):
            await self._ports.outputs.send(solved, self._session, str(number))
        if not request.outputs or any(one.type == "image" for one in request.outputs):
            await self._export(planned, solved)

    async def _export(self, planned: PlannedImage, solved: Solved) -> None:
        request, images = self._request, self._ports.images
        known = {one.id for one in images.select(ImageFilters(), all_=True)}
        image = await self._ports.exporter.export(
            ImageExport(
                planned=planned,
                solved=solved,
                names=request.tags,
                inline_cache=request.inline_cache,
                squash=request.squash,
            ),
            self._sink,
        )
        if image not in known:
            attributes = {**labels_of(images.get(image)), "name": image}
            self._ports.events.publish("image", "create", image, attributes)
        self._telling.tell(Built(image=image, names=[familiar(name) for name in request.tags]))

    async def _definition(self, body: AsyncIterator[bytes]) -> Definition:
        """Have the context, and what is to be read of it."""
        request, session = self._request, self._session
        if request.remote == REMOTE:
            held = await session.context("context")
        elif request.remote in ("", "-"):
            held = await self._ports.contexts.receive(body)
            session.give("context", held)
        else:
            held = await self._ports.remotes.fetch(request.remote, self._job, session)
            session.give("context", held)
        return await read_definition(held, request.dockerfile)

    def _question(self, definition: Definition) -> FrontendRequest:
        request, host = self._request, self._ports.host
        return FrontendRequest(
            dockerfile=definition.dockerfile,
            filename=definition.filename,
            target=request.target,
            arguments=request.arguments,
            labels=request.labels,
            platforms=[_whole(request.platform, host)] if request.platform else [],
            host=host,
            contexts=request.contexts,
            resolve_mode=ResolveMode.PULL if request.pull else ResolveMode.LOCAL,
            no_cache=request.no_cache,
            check=request.check,
            epoch=request.epoch,
            ignore_file=definition.ignore_file,
        )


class _Sink:
    """Takes the solver's messages: first for the caller alone, later by way of the steps."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self.passes_to: ProgressSink | None = None

    def tell(self, message: BuildMessage) -> None:
        """Take one message."""
        if self.passes_to is not None:
            self.passes_to.tell(message)
        else:
            self._telling.tell(message)


def _options(request: BuildRequest) -> SolveOptions:
    entitlements = list(request.entitlements)
    if request.network == "host":
        entitlements.append(_HOST_NETWORK)
    return SolveOptions(
        host=request.host,
        network=request.network,
        entitlements=entitlements,
        cache_from=request.cache_from,
        epoch=request.epoch,
    )


def _whole(platform: Platform, host: Platform) -> Platform:
    """A platform whose architecture is the host's where it was left out."""
    if platform.architecture:
        return platform
    return normalize(structs.replace(host, os=platform.os))
