"""Making results: sources are fetched, steps run, files changed; checksums of what is taken."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import AsyncExitStack

import msgspec
from msgspec import Struct

from wharfie.build.cache.inline import Imported
from wharfie.build.solver.execution import Executor
from wharfie.build.solver.filework import FileWork
from wharfie.build.solver.flights import Flight
from wharfie.build.solver.keys import WHOLE, image_key
from wharfie.build.solver.mounts import StepMounts
from wharfie.build.solver.naming import LayerNamer, NewLayer
from wharfie.build.solver.ports import SolverPorts
from wharfie.build.solver.refusals import missing_file
from wharfie.build.solver.results import DirectoryResult, LayeredResult, Result, in_result
from wharfie.build.solver.stacking import LayerStacker, chain_id
from wharfie.build.solver.trees import Trees
from wharfie.build.sources.git import SCHEME as GIT
from wharfie.build.sources.images import SCHEME as IMAGE
from wharfie.engine.images.records.leases import Lease
from wharfie.formats.digest import Digest
from wharfie.model.build.files import Selection
from wharfie.model.build.graph import EMPTY_SOURCE, CopyAction, ExecOp, FileOp, SourceOp, Vertex
from wharfie.model.build.session import BuildSession
from wharfie.model.build.solver import SolveOptions
from wharfie.model.errors import NotFound, NotSupported
from wharfie.model.ids import ChainId

LOCAL = "local://"
WEB = ("http://", "https://")
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
    """Makes what one build needs; the stack holds it until the build is over."""

    def __init__(
        self,
        ports: SolverPorts,
        session: BuildSession,
        options: SolveOptions,
        *,
        lease: Lease,
        slots: asyncio.Semaphore,
        stack: AsyncExitStack,
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
        self._stacker = LayerStacker(ports.snapshots, ports.archiver, ports.images)
        self._stack = stack
        self._sums: dict[bytes, str] = {}
        self._importing = asyncio.Lock()
        self._imported: dict[str, Imported] | None = None
        self._fetching: dict[bytes, asyncio.Lock] = {}
        self._directories: dict[bytes, DirectoryResult] = {}

    async def imported(self) -> dict[str, Imported]:
        """Results in the inline caches of the images that the build may use, by key."""
        async with self._importing:
            if self._imported is None:
                found: dict[str, Imported] = {}
                for reference in self._options.cache_from:
                    found |= await self._ports.image_source.cached_results(
                        reference, self._session.credentials, self._lease
                    )
                self._imported = found
        return self._imported

    async def source_key(self, operation: SourceOp) -> str:
        """What stands for a source: of an image without its being pulled; "" for a context."""
        identifier = operation.identifier
        if identifier == EMPTY_SOURCE:
            return EMPTY_SOURCE
        if identifier.startswith(IMAGE):
            return image_key(identifier)
        return "" if identifier.startswith(LOCAL) else (await self.source(operation)).key

    async def source(self, operation: SourceOp) -> Result:
        """Fetch a source.

        Raises:
            EngineError: it is missing or refused.
        """
        identifier = operation.identifier
        if identifier == EMPTY_SOURCE:
            return LayeredResult(EMPTY_SOURCE, layers=[], cached=True)
        if identifier.startswith(IMAGE):
            return await self._ports.image_source.fetch(
                operation, self._session.credentials, self._lease
            )
        if identifier.startswith(LOCAL):
            tree = await self._session.context(identifier.removeprefix(LOCAL))
            exclude = operation.attributes.get("exclude")
            patterns = _decode_patterns(exclude) if exclude else []
            return DirectoryResult("", tree.directory, exclude=tuple(patterns), index=tree.index)
        if identifier.startswith((*WEB, GIT)):
            return await self._fetched(operation)
        scheme = identifier.partition("://")[0]
        raise NotSupported(f"sources of the kind {scheme[:40]} are not supported")

    async def _fetched(self, operation: SourceOp) -> DirectoryResult:
        """A source from elsewhere: each is asked for once a build."""
        name = _encode(operation)
        lock = self._fetching.setdefault(name, asyncio.Lock())
        async with lock:
            if name not in self._directories:
                fetch = self._ports.web_source.fetch
                if operation.identifier.startswith(GIT):
                    fetch = self._ports.git_source.fetch
                self._directories[name] = await fetch(operation, self._stack)
            return self._directories[name]

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
        root_owned, index = False, ""
        if isinstance(result, DirectoryResult):
            root_owned, index = result.root_owned, result.index
        selection = in_result(result, selection)
        async with self._trees.opened(result) as root:
            try:
                return await self._ports.files.checksum(
                    root, selection, root_owned=root_owned, index=index
                )
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
            inputs=[one for one in inputs if isinstance(one, LayeredResult)],
        )
        return self._namer.begin(new)

    async def attach(
        self, below: LayeredResult, linked: LayeredResult, key: str, description: str
    ) -> LayeredResult:
        """A linked layer on top of a result."""
        stack = await below.layers()
        chains: list[ChainId] = []
        try:
            for layer in await linked.layers():
                chains.append(chain_id(stack[-1].chain_id if stack else None, layer.diff_id))
                self._ports.images.keep(chains[-1:])
                stack = await self._stacker.attach(stack, layer)
            record = await self._ports.cache.put(
                key,
                [key],
                stack,
                parents=[below.record, linked.record],
                description=description,
            )
        finally:
            await self._ports.images.let_go(chains)
        return LayeredResult(key, layers=stack, record=record.id, cached=linked.cached)

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
