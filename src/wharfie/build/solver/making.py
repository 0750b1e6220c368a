"""Making results: sources are fetched, steps run, files changed; checksums of what is taken."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from wharfie.build.solver.execution import Executor
from wharfie.build.solver.filework import FileWork
from wharfie.build.solver.flights import Flight
from wharfie.build.solver.keys import WHOLE, image_key
from wharfie.build.solver.mounts import StepMounts
from wharfie.build.solver.naming import LayerNamer, NewLayer
from wharfie.build.solver.ports import SolverPorts
from wharfie.build.solver.refusals import missing_file
from wharfie.build.solver.results import DirectoryResult, LayeredResult, Result, in_result
from wharfie.build.solver.trees import Trees
from wharfie.build.sources.images import SCHEME as IMAGE
from wharfie.engine.images.records.leases import Lease
from wharfie.formats.digest import Digest
from wharfie.model.build.files import Selection
from wharfie.model.build.graph import EMPTY_SOURCE, CopyAction, ExecOp, FileOp, SourceOp, Vertex
from wharfie.model.build.session import BuildSession
from wharfie.model.build.solver import SolveOptions
from wharfie.model.errors import NotFound, NotSupported

LOCAL = "local://"
_encode = msgspec.json.Encoder().encode
_decode_patterns = msgspec.json.Decoder(list[str]).decode


class StepOrder(Struct, frozen=True, kw_only=True):
    """A step to be made.

    Attributes:
        inputs: results of the vertex's inputs.
        key: will stand for the result.
        keys: under which it will be found.
    """

    vertex: Vertex
    operation: ExecOp | FileOp
    inputs: Sequence[Result]
    key: str
    keys: Sequence[str]


class Maker:
    """Makes what one build needs."""

    def __init__(
        self,
        ports: SolverPorts,
        session: BuildSession,
        options: SolveOptions,
        lease: Lease,
        slots: asyncio.Semaphore,
    ) -> None:
        self._ports = ports
        self._session = session
        self._options = options
        self._lease = lease
        self._slots = slots
        self._trees = Trees(ports.snapshots)
        self._namer = LayerNamer(ports, epoch=options.epoch)
        mounts = StepMounts(ports, session, self._trees, self.layered)
        self._executor = Executor(ports, options, mounts)
        self._filework = FileWork(ports, self._trees)
        self._sums: dict[bytes, str] = {}

    async def source_key(self, operation: SourceOp) -> str:
        """What stands for a source without its being fetched; "" for a context."""
        if operation.identifier.startswith(IMAGE):
            return image_key(operation.identifier)
        if operation.identifier.startswith(LOCAL):
            return ""
        if operation.identifier == EMPTY_SOURCE:
            return EMPTY_SOURCE
        raise NotSupported(f"sources like {operation.identifier.partition('://')[0]}:// are not")

    async def source(self, operation: SourceOp) -> Result:
        """Fetch a source.

        Raises:
            EngineError: it is missing or refused.
        """
        if operation.identifier.startswith(IMAGE):
            return await self._ports.image_source.fetch(
                operation, self._session.credentials, self._lease
            )
        if operation.identifier.startswith(LOCAL):
            tree = await self._session.context(operation.identifier.removeprefix(LOCAL))
            exclude = operation.attributes.get("exclude")
            patterns = _decode_patterns(exclude) if exclude else []
            return DirectoryResult("", tree.directory, exclude=tuple(patterns))
        if operation.identifier == EMPTY_SOURCE:
            return LayeredResult(EMPTY_SOURCE, layers=[], cached=True)
        raise NotSupported(f"sources like {operation.identifier.partition('://')[0]}:// are not")

    async def checksum(self, vertex: Digest, result: Result, files: Sequence[Selection]) -> str:
        """The checksum of files taken from an input; each is made once a build.

        Raises:
            EngineError: nothing is there, in Docker's words.
        """
        name = _encode((vertex, files))
        known = self._sums.get(name)
        if known is None:
            parts = [await self._sum(result, one) for one in files]
            joined = "\n".join(parts)
            known = parts[0]
            if len(parts) > 1:
                known = f"sha256:{hashlib.sha256(joined.encode()).hexdigest()}"
            self._sums[name] = known
        return known

    async def _sum(self, result: Result, selection: Selection) -> str:
        root_owned = isinstance(result, DirectoryResult) and result.root_owned
        selection = in_result(result, selection)
        async with self._trees.opened(result) as root:
            try:
                return await self._ports.files.checksum(root, selection, root_owned=root_owned)
            except NotFound as error:
                raise missing_file(error.message) from None

    async def make(self, order: StepOrder, flight: Flight) -> LayeredResult:
        """Run a step; its layer is hashed and recorded while the next one runs.

        Raises:
            StepFailed: its command ended with another code than 0.
            EngineError: it cannot be run.
        """
        inputs, operation = order.inputs, order.operation
        base = inputs[0] if inputs else LayeredResult("", layers=[])
        if isinstance(base, DirectoryResult):
            base = await self.layered(base)
        async with self._slots:
            writer = await self._ports.snapshots.begin_step(base.top)
            try:
                if isinstance(operation, ExecOp):
                    points = await self._executor.run(
                        order.vertex.digest, operation, inputs, writer, flight
                    )
                else:
                    await self._filework.run(operation, inputs, writer)
                    points = []
                provisional = await writer.seal()
            except BaseException:
                await writer.abort()
                raise
        new = NewLayer(
            writer=writer,
            below=base,
            provisional=provisional,
            mount_points=points,
            key=order.key,
            keys=list(order.keys),
            vertex=order.vertex.digest,
            description=order.vertex.name,
            parents=[one.record for one in inputs if isinstance(one, LayeredResult)],
        )
        return self._namer.begin(new)

    async def layered(self, directory: DirectoryResult) -> LayeredResult:
        """A directory as a layer, for what has to stand on one."""
        key = "directory " + await self._sum(directory, WHOLE[0])
        copy = FileOp(actions=[CopyAction(input=1, sources=["."], destination="/")])
        order = StepOrder(
            vertex=Vertex(copy, (), name="[internal] copy of a context"),
            operation=copy,
            inputs=[LayeredResult("", layers=[]), directory],
            key=key,
            keys=[key],
        )
        return await self.make(order, Flight())
