"""One build at the solver: the walk over its graph.

For each vertex, in this order:

1. guess its key from what is known without running anything; a result under it is taken, and
   nothing it stands on is looked at;
2. solve its inputs, side by side;
3. make the true key of their results, and, where files are taken from other stages, one of those
   files' checksums; a result under either is taken;
4. join the equal step that runs just now, or run it.

Source: BuildKit's docs/dev/solver.md.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence

from msgspec import structs

from wharfie.build.solver.flights import Flight, Flights
from wharfie.build.solver.keys import (
    WHOLE,
    attached_key,
    is_linked,
    is_local,
    renewed_key,
    step_key,
    taken_files,
)
from wharfie.build.solver.making import Maker, StepOrder
from wharfie.build.solver.ports import SolverPorts
from wharfie.build.solver.results import DirectoryResult, LayeredResult, Result
from wharfie.engine.images.records.leases import Lease
from wharfie.formats.digest import Digest
from wharfie.model.build.files import Selection
from wharfie.model.build.graph import EMPTY_SOURCE, ExecOp, FileOp, SourceOp, Vertex
from wharfie.model.build.progress import ProgressSink, VertexState
from wharfie.model.build.records import StepRecord
from wharfie.model.build.solver import Solved, SolvedLayer, SolveOptions
from wharfie.model.errors import EngineError


class SolveJob:
    """See `model.build.solver.BuildJob`."""

    def __init__(
        self,
        ports: SolverPorts,
        *,
        maker: Maker,
        flights: Flights[LayeredResult],
        progress: ProgressSink,
        options: SolveOptions,
        lease: Lease,
    ) -> None:
        self._ports = ports
        self._maker = maker
        self._shared = flights
        self._own: Flights[Result] = Flights(ports.nursery)
        self._progress = progress
        self._epoch = options.epoch
        self._lease = lease
        self._results: dict[Digest, Result] = {}
        self._guesses: dict[Digest, str] = {}
        self._nonces: dict[Digest, str] = {}
        self._told: set[Digest] = set()
        self._records: list[str] = []
        self._open = True

    async def solve(self, vertex: Vertex) -> Solved:
        """Solve a vertex and what it stands on; see the port."""
        result = await self._result(vertex)
        if isinstance(result, DirectoryResult):
            result = await self._maker.layered(result)
        layers = await result.layers()
        self._hold(layers)
        return Solved(layers=layers, cached=result.cached)

    def close(self) -> None:
        """The build is over: nothing more is held."""
        self._open = False
        self._ports.cache.release(self._records)
        self._records = []

    def _hold_result(self, result: LayeredResult) -> None:
        def hold(layers: Sequence[SolvedLayer]) -> None:
            self._hold(layers)
            self._hold_record(result.record)

        result.when_named(hold)

    def _hold_record(self, record_id: str) -> None:
        if self._open and record_id:
            self._records.append(record_id)
            self._ports.cache.hold(record_id)

    def _hold(self, layers: Sequence[SolvedLayer]) -> None:
        if self._open:
            for layer in layers:
                self._lease.hold_chain(layer.chain_id)

    async def _result(self, vertex: Vertex) -> Result:
        known = self._results.get(vertex.digest)
        if known is not None:
            return known

        async def work(_: Flight) -> Result:
            result = await self._evaluate(vertex)
            self._results[vertex.digest] = result
            if isinstance(result, LayeredResult):
                self._hold_result(result)
            return result

        return await self._own.join(vertex.digest, work, _Deaf(), f"solving {vertex!r}")

    async def _evaluate(self, vertex: Vertex) -> Result:
        operation = vertex.operation
        if isinstance(operation, SourceOp):
            return await self._source(vertex, operation)
        if not vertex.ignore_cache:
            guess = await self._guess(vertex)
            found = self._take(guess) or await self._import(vertex, {guess})
            if found is not None:
                self._tell_cached(vertex)
                return found
        inputs = await self._inputs(vertex)
        if is_linked(operation):
            return await self._linked(vertex, operation, inputs)
        return await self._step(vertex, operation, inputs)

    async def _linked(
        self, vertex: Vertex, operation: ExecOp | FileOp, inputs: Sequence[Result]
    ) -> LayeredResult:
        """A layer of its own, and then that on top of what is below."""
        below = inputs[0]
        if isinstance(below, DirectoryResult):
            below = await self._maker.layered(below)
        alone = [LayeredResult(EMPTY_SOURCE, layers=[]), *inputs[1:]]
        layer = await self._step(vertex, operation, alone)
        self._hold_result(layer)
        key = attached_key(below.key, layer.key)
        found = self._take(key)
        if found is not None:
            return found

        async def work(_: Flight) -> LayeredResult:
            return await self._maker.attach(below, layer, key, vertex.name)

        what = f"attaching the layer of {vertex.name}"
        return await self._shared.join(key, work, _Deaf(), what)

    async def _source(self, vertex: Vertex, operation: SourceOp) -> Result:
        started = time.time()
        self._tell(vertex, started=started)
        try:
            result = await self._maker.source(operation)
        except EngineError as error:
            self._tell(vertex, started=started, completed=time.time(), error=error.message)
            raise
        cached = isinstance(result, LayeredResult)
        self._tell(vertex, started=started, completed=time.time(), cached=cached)
        return result

    async def _inputs(self, vertex: Vertex) -> list[Result]:
        if len(vertex.inputs) == 1:
            return [await self._result(vertex.inputs[0])]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._result(one)) for one in vertex.inputs]
        except BaseExceptionGroup as failures:
            # One reason is enough for the user: the others are mostly its consequences.
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _step(
        self, vertex: Vertex, operation: ExecOp | FileOp, inputs: Sequence[Result]
    ) -> LayeredResult:
        plain = await self._true_key(vertex, inputs, by_content=False)
        keys = {plain}
        if _takes_from_stages(operation, inputs):
            plain = await self._true_key(vertex, inputs, by_content=True)
            keys.add(plain)
        if vertex.ignore_cache:
            plain = renewed_key(plain, self._nonce(vertex))
        else:
            for key in keys:
                found = self._take(key)
                if found is not None:
                    await self._remember(found, keys)
                    self._tell_cached(vertex)
                    return found
            found = await self._import(vertex, keys)
            if found is not None:
                self._tell_cached(vertex)
                return found

        order = StepOrder(
            vertex=vertex, operation=operation, inputs=inputs, key=plain, keys=sorted(keys)
        )

        async def work(flight: Flight) -> LayeredResult:
            return await self._run(order, flight)

        self._told.add(vertex.digest)
        return await self._shared.join(plain, work, self._progress, f"build step {vertex.name}")

    async def _run(self, order: StepOrder, flight: Flight) -> LayeredResult:
        state = structs.replace(_state_of(order.vertex), started=time.time())
        flight.tell(state)
        try:
            result = await self._maker.make(order, flight)
        except EngineError as error:
            failed = structs.replace(state, completed=time.time(), error=error.message)
            flight.tell(failed)
            raise
        flight.tell(structs.replace(state, completed=time.time()))
        return result

    async def _guess(self, vertex: Vertex) -> str:
        """The key a vertex has unless its inputs turn out to be other than they were."""
        for one in ordered(vertex):
            if one.digest not in self._guesses:
                self._guesses[one.digest] = await self._make_guess(one)
        return self._guesses[vertex.digest]

    async def _make_guess(self, vertex: Vertex) -> str:
        operation = vertex.operation
        if isinstance(operation, SourceOp):
            return await self._maker.source_key(operation)
        files = taken_files(operation)
        inputs: list[str] = []
        for number, one in enumerate(vertex.inputs):
            if is_linked(operation) and not number:
                inputs.append("")
            elif is_local(one.operation):
                chosen = files.get(number, WHOLE)
                inputs.append(await self._checksum(one, await self._result(one), chosen))
            else:
                inputs.append(self._current(self._guesses[one.digest]))
        key = step_key(operation, inputs, epoch=self._epoch)
        if vertex.ignore_cache:
            key = renewed_key(key, self._nonce(vertex))
        if is_linked(operation) and vertex.inputs:
            below = self._current(self._guesses[vertex.inputs[0].digest])
            return attached_key(below, self._current(key))
        return key

    def _current(self, guess: str) -> str:
        """The key of the result under a guess; it differs where the result was renewed."""
        record = self._ports.cache.find(guess)
        return guess if record is None else record.key

    async def _true_key(self, vertex: Vertex, inputs: Sequence[Result], *, by_content: bool) -> str:
        operation = vertex.operation
        files = taken_files(operation)
        parts: list[str] = []
        for number, (one, result) in enumerate(zip(vertex.inputs, inputs, strict=True)):
            if is_linked(operation) and not number:
                parts.append("")
            elif not result.key or (by_content and number in files and _is_layered(result)):
                chosen = files.get(number, WHOLE)
                parts.append(await self._checksum(one, result, chosen))
            else:
                parts.append(result.key)
        return step_key(operation, parts, epoch=self._epoch)

    async def _checksum(self, vertex: Vertex, result: Result, files: Sequence[Selection]) -> str:
        return await self._maker.checksum(vertex.digest, result, files)

    def _nonce(self, vertex: Vertex) -> str:
        return self._nonces.setdefault(vertex.digest, secrets.token_hex(16))

    def _take(self, key: str) -> LayeredResult | None:
        """A result of the cache, held by this job from now on."""
        record = self._ports.cache.find(key)
        if record is None:
            return None
        self._hold(record.layers)
        self._ports.cache.touch(record)
        return _of_record(record)

    async def _import(self, vertex: Vertex, keys: set[str]) -> LayeredResult | None:
        """A result that an image brings in its inline cache; recorded as if made here."""
        imported = await self._maker.imported()
        for key in keys & imported.keys():
            found = imported[key]
            known = {*keys, *found.keys}
            record = await self._ports.cache.put(
                found.keys[0], known, found.layers, parents=[], description=vertex.name
            )
            self._hold(record.layers)
            return _of_record(record)
        return None

    async def _remember(self, found: LayeredResult, keys: set[str]) -> None:
        record = self._ports.cache.get(found.record)
        if record is not None:
            for key in keys - set(record.keys):
                await self._ports.cache.add_key(record, key)

    def _tell_cached(self, vertex: Vertex) -> None:
        """A result was there: neither this vertex nor what it stands on runs."""
        for one in ordered(vertex):
            if one.digest not in self._told:
                now = time.time()
                self._tell(one, started=now, completed=now, cached=True)

    def _tell(
        self,
        vertex: Vertex,
        *,
        started: float,
        completed: float | None = None,
        cached: bool = False,
        error: str = "",
    ) -> None:
        self._told.add(vertex.digest)
        self._progress.tell(
            structs.replace(
                _state_of(vertex), started=started, completed=completed, cached=cached, error=error
            )
        )


def ordered(vertex: Vertex) -> list[Vertex]:
    """A vertex and all it stands on, each once, inputs first."""
    done: dict[Digest, Vertex] = {}
    todo = [vertex]
    while todo:
        one = todo[-1]
        missing = [below for below in one.inputs if below.digest not in done]
        if missing and one.digest not in done:
            todo += reversed(missing)
            continue
        done.setdefault(todo.pop().digest, one)
    return list(done.values())


class _Deaf:
    """Hears nothing: a job tells its own progress itself."""

    def tell(self, message: object) -> None:
        """Take one message."""


def _state_of(vertex: Vertex) -> VertexState:
    return VertexState(
        digest=vertex.digest,
        name=vertex.name,
        inputs=tuple(one.digest for one in vertex.inputs),
    )


def _of_record(record: StepRecord) -> LayeredResult:
    return LayeredResult(record.key, layers=record.layers, record=record.id, cached=True)


def _is_layered(result: Result) -> bool:
    return isinstance(result, LayeredResult)


def _takes_from_stages(operation: ExecOp | FileOp, inputs: Sequence[Result]) -> bool:
    return any(_is_layered(inputs[number]) for number in taken_files(operation))
