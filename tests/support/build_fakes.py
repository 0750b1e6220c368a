"""Fakes of what builds stand on: a frontend with a plan ready, a solver that is told when."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import structs

from wharfie.build.ports import BuildPorts
from wharfie.build.service import Builds
from wharfie.engine.events import EventBus
from wharfie.formats.digest import Digest, sha256_digest
from wharfie.formats.oci.descriptor import Platform
from wharfie.model.build.errors import StepFailed
from wharfie.model.build.graph import ExecOp, FileOp, SourceOp, Vertex
from wharfie.model.build.plan import (
    BuildPlan,
    FrontendBridge,
    FrontendRequest,
    Instruction,
    PlannedImage,
    SourceRange,
)
from wharfie.model.build.progress import ProgressSink, VertexLog, VertexState
from wharfie.model.build.session import BuildSession
from wharfie.model.build.solver import (
    CacheRecord,
    ImageExport,
    PruneRequest,
    Solved,
    SolvedLayer,
    SolveOptions,
)
from wharfie.model.errors import EngineError, NoSuchImage
from wharfie.model.ids import ChainId, ImageId
from wharfie.model.image import Image, ImageConfig, ImageDocument

AMD64 = Platform(os="linux", architecture="amd64")
BASE = "05f33a21252613d13ceb91a2f664428ce231b1d05b0f060e14f897a82f9027da"


def source() -> Vertex:
    """The vertex of a base image."""
    name = f"docker-image://docker.io/library/busybox:latest@sha256:{BASE}"
    return Vertex(SourceOp(identifier=name), name="FROM busybox")


def run(command: str, below: Vertex) -> Vertex:
    """The vertex of a RUN."""
    return Vertex(
        ExecOp(arguments=["/bin/sh", "-c", command], shell=True), [below], name=f"RUN {command}"
    )


def copy(below: Vertex) -> Vertex:
    """The vertex of a COPY."""
    return Vertex(FileOp(actions=[]), [below], name="COPY a b")


def instruction(text: str, vertex: Vertex | None, **config: Any) -> Instruction:
    """An instruction; FROM begins a stage."""
    return Instruction(
        text=text,
        vertex=vertex,
        document=ImageDocument(architecture="amd64", os="linux", config=ImageConfig(**config)),
        location=SourceRange(1, 1),
        begins_stage=text.startswith("FROM"),
    )


def plan(*instructions: Instruction, unused: Sequence[str] = ()) -> BuildPlan:
    """A plan whose last vertex is the image's."""
    vertices = [one.vertex for one in instructions if one.vertex is not None]
    image = PlannedImage(
        platform=AMD64,
        root=vertices[-1] if vertices else None,
        document=instructions[-1].document,
        base=None,
        instructions=list(instructions),
    )
    return BuildPlan(images=[image], unused_arguments=list(unused))


class FakeFrontend:
    """Answers with the plan it was given, or fails. See `model.build.plan.Frontend`."""

    def __init__(self, answer: BuildPlan | EngineError) -> None:
        self.answer = answer
        self.asked: list[FrontendRequest] = []
        self.bridge_use: Callable[[FrontendBridge], Any] | None = None

    async def plan(self, request: FrontendRequest, bridge: FrontendBridge) -> BuildPlan:
        self.asked.append(request)
        if self.bridge_use is not None:
            await self.bridge_use(bridge)
        if isinstance(self.answer, EngineError):
            raise self.answer
        return self.answer


class FakeSolver:
    """Solves at once, or when a gate opens. See `model.build.solver.Solver`.

    Attributes:
        outputs: by vertex name, what a step says.
        failures: by vertex name, the exit code a step ends with.
        gates: by vertex name, what a step waits for.
        cached: names of vertices that are there already.
        ran: names of what was executed, in order of beginning.
        ended: names of what was executed to its end.
    """

    def __init__(self) -> None:
        self.outputs: dict[str, list[tuple[int, bytes]]] = {}
        self.failures: dict[str, int] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.cached: set[str] = set()
        self.ran: list[str] = []
        self.ended: list[str] = []
        self.open_jobs = 0
        self.options: list[SolveOptions] = []

    @asynccontextmanager
    async def job(
        self, session: BuildSession, progress: ProgressSink, options: SolveOptions
    ) -> AsyncIterator[FakeJob]:
        self.options.append(options)
        self.open_jobs += 1
        try:
            yield FakeJob(self, session, progress)
        finally:
            self.open_jobs -= 1


class FakeJob:
    """See `model.build.solver.BuildJob`."""

    def __init__(self, owner: FakeSolver, session: BuildSession, progress: ProgressSink) -> None:
        self._owner = owner
        self.session = session
        self._progress = progress
        self._flights: dict[Digest, asyncio.Task[Solved]] = {}

    async def solve(self, vertex: Vertex) -> Solved:
        flight = self._flights.get(vertex.digest)
        if flight is None:
            loop = asyncio.get_running_loop()
            flight = self._flights[vertex.digest] = loop.create_task(self._solve(vertex))
            flight.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            return await asyncio.shield(flight)
        except asyncio.CancelledError:
            flight.cancel()
            raise

    async def _solve(self, vertex: Vertex) -> Solved:
        below = await asyncio.gather(*(self.solve(one) for one in vertex.inputs))
        layers = list(below[0].layers) if below else []
        owner, name = self._owner, vertex.name
        digest = sha256_digest(vertex.digest.encode())
        layer = SolvedLayer(chain_id=ChainId(digest), diff_id=digest, size=1, vertex=vertex.digest)
        state = VertexState(digest=vertex.digest, name=name, started=time.time())
        if name in owner.cached:
            self._progress.tell(structs.replace(state, completed=time.time(), cached=True))
            return Solved(layers=[*layers, layer], cached=True)
        self._progress.tell(state)
        owner.ran.append(name)
        for stream, data in owner.outputs.get(name, ()):
            self._progress.tell(
                VertexLog(vertex=vertex.digest, stream=stream, data=data, time=time.time())
            )
        gate = owner.gates.get(name)
        if gate is not None:
            await gate.wait()
        code = owner.failures.get(name, 0)
        if code:
            operation = vertex.operation
            arguments = operation.arguments if isinstance(operation, ExecOp) else []
            text = f"The command '{' '.join(arguments)}' returned a non-zero code: {code}"
            self._progress.tell(structs.replace(state, completed=time.time(), error=text))
            raise StepFailed(text, arguments=arguments, exit_code=code)
        self._progress.tell(structs.replace(state, completed=time.time()))
        owner.ended.append(name)
        return Solved(layers=[*layers, layer])


class FakeExporter:
    """Remembers what it exported. See `model.build.solver.ImageExporter`."""

    def __init__(self, images: FakeBuildImages) -> None:
        self._images = images
        self.exported: list[ImageExport] = []

    async def export(self, export: ImageExport, progress: ProgressSink) -> ImageId:
        self.exported.append(export)
        found = hashlib.sha256(repr((export.planned.document, export.solved.layers)).encode())
        image = ImageId(f"sha256:{found.hexdigest()}")
        self._images.known[image] = Image(id=image, document=export.planned.document)
        return image


class FakeBuildImages:
    """Images by ID."""

    def __init__(self) -> None:
        self.known: dict[str, Image] = {}
        self.pullable: dict[str, Image] = {}

    def get(self, ref: str, *, platform: str = "") -> Image:
        if ref not in self.known:
            raise NoSuchImage(ref)
        return self.known[ref]

    def select(self, filters: object, *, all_: bool = False) -> list[Image]:
        return list(self.known.values())

    async def pull(self, request: Any) -> AsyncIterator[dict[str, object]]:
        yield {"status": "Pulling from library/busybox", "id": "latest"}
        if request.ref not in self.pullable:
            raise NoSuchImage(request.ref)
        self.known[request.ref] = self.pullable[request.ref]


class FakeHeld:
    """A context in memory. See `model.build.contexts.HeldContext`."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.directory = "/nowhere"
        self.index = ""
        self.size = sum(map(len, files.values()))
        self.is_closed = False

    def file_digest(self, path: str) -> Digest | None:
        return None

    async def read(self, path: str, *, limit: int) -> bytes | None:
        return self.files.get(path)

    async def close(self) -> None:
        self.is_closed = True


class FakeContexts:
    """A store of contexts whose archives are read but not unpacked."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.held: list[FakeHeld] = []
        self.received = b""
        self.pruned: list[int] = []

    async def receive(self, source: AsyncIterator[bytes]) -> FakeHeld:
        async for piece in source:
            self.received += piece
        return await self.make(self.files)

    async def assemble(self, dialog: AsyncIterator[bytes]) -> FakeHeld:
        return await self.receive(aiter(dialog))

    async def make(self, files: dict[str, bytes]) -> FakeHeld:
        self.held.append(FakeHeld(files))
        return self.held[-1]

    async def usage(self) -> tuple[int, int]:
        return (100, 40) if self.held else (0, 0)

    async def prune(self, *, keep: int, until: object = None) -> int:
        self.pruned.append(keep)
        return 40


class FakeCache:
    """One record. See `model.build.solver.BuildCache`."""

    def __init__(self) -> None:
        self.asked: list[PruneRequest] = []

    def records(self) -> Sequence[CacheRecord]:
        return [CacheRecord(id="r1", description="RUN make", size=7, uses=2)]

    async def prune(self, request: PruneRequest) -> tuple[Sequence[str], int]:
        self.asked.append(request)
        return ["r1"], 7


class BuildBench:
    """The service of builds on fakes, with the fakes at hand."""

    def __init__(self, answer: BuildPlan | EngineError) -> None:
        self.frontend = FakeFrontend(answer)
        self.solver = FakeSolver()
        self.images = FakeBuildImages()
        self.exporter = FakeExporter(self.images)
        self.contexts = FakeContexts({"Dockerfile": b"FROM busybox\n"})
        self.cache = FakeCache()
        self.events = EventBus()
        fakes: Any = self
        nobody: Any = None
        self.builds = Builds(
            BuildPorts(
                frontend=self.frontend,
                solver=self.solver,
                exporter=self.exporter,
                cache=self.cache,
                contexts=fakes.contexts,
                remotes=nobody,
                outputs=nobody,
                images=fakes.images,
                events=self.events,
                host=AMD64,
                entitlements=["network.host"],
            )
        )


async def body(*pieces: bytes) -> AsyncIterator[bytes]:
    """A request's body."""
    for piece in pieces:
        yield piece
