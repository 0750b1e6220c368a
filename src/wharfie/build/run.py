"""One build, from its context to its tags."""

from __future__ import annotations

import time
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
from wharfie.formats.digest import sha256_digest
from wharfie.formats.oci.descriptor import Platform
from wharfie.formats.oci.platform import normalize
from wharfie.formats.reference import familiar
from wharfie.formats.session import REMOTE
from wharfie.model.build.plan import (
    FrontendRequest,
    HistoryForm,
    PlannedImage,
    ResolveMode,
)
from wharfie.model.build.progress import (
    BuildMessage,
    ProgressSink,
    VertexState,
    VertexStatus,
)
from wharfie.model.build.solver import BuildJob, ImageExport, Solved, SolveOptions
from wharfie.model.errors import NotSupported
from wharfie.model.filters import ImageFilters
from wharfie.model.ids import ImageId

_STREAMED = frozenset({"tar", "local"})
_HOST_NETWORK = "network.host"
_EXPORT = sha256_digest(b"exporting to image")


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
        # No step is known where the cache is to be ignored; an empty list means all of it.
        known = self._known if request.no_cache is None or request.no_cache else KnownSteps()
        teller = self._sink.passes_to = StepTeller(known, telling.tell)
        solved = await teller.run(self._job, planned)
        streamed = [one for one in request.outputs if one.type in _STREAMED]
        for number, _ in enumerate(streamed):
            await self._ports.outputs.send(solved, self._session, str(number))
        image = ""
        if not request.outputs or any(one.type == "image" for one in request.outputs):
            if request.history is HistoryForm.CLASSIC:
                check_not_empty(planned, teller)
            image = await self._export(planned, solved)
        teller.finish(image.removeprefix("sha256:"))
        if image:
            names = [familiar(name) for name in request.tags]
            telling.tell(Built(image=image, names=names))

    async def _export(self, planned: PlannedImage, solved: Solved) -> ImageId:
        request, images = self._request, self._ports.images
        known = {one.id for one in images.select(ImageFilters(), all_=True)}
        state = VertexState(digest=_EXPORT, name="exporting to image", started=time.time())
        self._sink.tell(state)
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
        for what in (f"writing image {image}", *(f"naming to {name}" for name in request.tags)):
            now = time.time()
            self._sink.tell(VertexStatus(vertex=_EXPORT, id=what, started=now, completed=now))
        self._sink.tell(structs.replace(state, completed=time.time()))
        if image not in known:
            attributes = {**labels_of(images.get(image)), "name": image}
            self._ports.events.publish("image", "create", image, attributes)
        return image

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
            history=request.history,
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
