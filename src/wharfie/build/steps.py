"""Instructions told one after the other, though their steps run side by side.

The whole graph is solved at once; beside that the instructions are walked in the order of the
file, each waited for. What a step says before its turn is kept, within bounds.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable

from msgspec import structs

from wharfie.build.happenings import Happening, StepBegan, StepEnded, StepOutput, StepRuns
from wharfie.engine.images.making.importing import encode_document
from wharfie.formats.digest import Digest, sha256_digest
from wharfie.model.build.graph import EMPTY_SOURCE, SourceOp, Vertex
from wharfie.model.build.plan import Instruction, PlannedImage
from wharfie.model.build.progress import BuildMessage, VertexLog, VertexState
from wharfie.model.build.solver import BuildJob, Solved
from wharfie.model.errors import EngineError, InvalidArgument
from wharfie.model.image import RootFS

_KEPT = 4 << 20
_CLIPPED = b"[output clipped: the step said more before its turn than is kept]\n"
_WITHOUT_CONTAINER = frozenset({"FROM", "COPY", "ADD"})
_SHORT = 12
_REMEMBERED = 20_000

Tell = Callable[[Happening], None]


class KnownSteps:
    """Images steps led to before: what Docker's cache of instructions without files would know."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def __contains__(self, image: str) -> bool:
        return image in self._ids

    def add(self, image: str) -> None:
        """Remember one, and forget the oldest of too many."""
        self._ids.pop(image, None)
        self._ids[image] = None
        if len(self._ids) > _REMEMBERED:
            del self._ids[next(iter(self._ids))]

    def clear(self) -> None:
        """Forget all: the cache was pruned."""
        self._ids.clear()


class StepTeller:
    """Tells of one image of a build. A `ProgressSink` for its solver job.

    Args:
        known: steps of earlier builds; None where no cache may be used.
        tell: takes what happens.
    """

    def __init__(self, known: KnownSteps, tell: Tell) -> None:
        self._known = known
        self._say = tell
        self._states: dict[Digest, VertexState] = {}
        self._kept: dict[Digest, list[VertexLog]] = {}
        self._kept_size: dict[Digest, int] = {}
        self._vertex: Vertex | None = None
        self._container = ""
        self._has_container = False
        self._is_cached = True

    def tell(self, message: BuildMessage) -> None:
        """Take one message of the solver."""
        self._say(message)
        match message:
            case VertexState():
                self._states[message.digest] = message
                if self._is_present(message.digest) and _executes(message):
                    self._announce()
            case VertexLog():
                if self._is_present(message.vertex):
                    self._put_out(message)
                else:
                    self._keep(message)
            case _:
                return

    async def run(self, job: BuildJob, planned: PlannedImage) -> Solved:
        """Solve an image and tell of its instructions.

        Raises:
            EngineError: a step failed; its instruction and output were told before.
        """
        if planned.root is None:
            await self._walk(planned.instructions, job, None)
            return Solved(layers=[])
        async with asyncio.TaskGroup() as group:
            whole = group.create_task(_outcome(job.solve(planned.root)))
            error = await self._walk(planned.instructions, job, whole)
            if error is not None:
                whole.cancel()
        if error is not None:
            raise error
        result = whole.result()
        if isinstance(result, EngineError):
            raise result
        return result

    async def _walk(
        self,
        instructions: list[Instruction],
        job: BuildJob,
        whole: asyncio.Task[Solved | EngineError] | None,
    ) -> EngineError | None:
        layers: list[Digest] = []
        for at, one in enumerate(instructions):
            self._begin(instructions, at)
            if one.is_global:
                continue
            if one.begins_stage:
                self._is_cached, layers = True, []
            cached = True
            if one.vertex is not None and whole is not None:
                outcome = await self._settle(one.vertex, job, whole)
                if isinstance(outcome, EngineError):
                    self._fail(instructions, one)
                    return outcome
                layers = [layer.diff_id for layer in outcome.layers]
                cached = self._was_cached(one.vertex, outcome)
            following = instructions[at + 1] if at + 1 < len(instructions) else None
            is_last = following is None or not following.is_trigger
            self._end(one, layers, cached=cached, is_last=is_last)
        return None

    async def _settle(
        self, vertex: Vertex, job: BuildJob, whole: asyncio.Task[Solved | EngineError]
    ) -> Solved | EngineError:
        async with asyncio.TaskGroup() as group:
            one = group.create_task(_outcome(job.solve(vertex)))
            await asyncio.wait({one, whole}, return_when=asyncio.FIRST_COMPLETED)
            if not one.done() and isinstance(whole.result(), EngineError):
                one.cancel()
        return whole.result() if one.cancelled() else one.result()

    def _begin(self, instructions: list[Instruction], at: int) -> None:
        one = instructions[at]
        self._vertex, self._container = one.vertex, ""
        word = one.text.partition(" ")[0].upper()
        self._has_container = word not in _WITHOUT_CONTAINER and not one.begins_stage
        if not one.is_trigger:
            shown = [other for other in instructions if not other.is_trigger]
            self._say(
                StepBegan(
                    number=shown.index(one) + 1,
                    total=len(shown),
                    text=one.text,
                    begins_stage=one.begins_stage,
                    triggers=one.triggers,
                )
            )
        if one.vertex is not None:
            state = self._states.get(one.vertex.digest)
            if state is not None and _executes(state):
                self._announce()
            self._kept_size.pop(one.vertex.digest, None)
            for message in self._kept.pop(one.vertex.digest, ()):
                self._put_out(message)

    def _end(self, one: Instruction, layers: list[Digest], *, cached: bool, is_last: bool) -> None:
        image = _base_of(one) or _identify(one, layers)
        if one.begins_stage:
            if is_last:
                self._say(StepEnded("" if _is_empty(one) else image))
            self._known.add(image)
            return
        self._is_cached = self._is_cached and cached and image in self._known
        self._known.add(image)
        if not self._is_cached:
            self._announce()
        self._say(StepEnded(image, self._is_cached, self._container, is_last))

    def _fail(self, instructions: list[Instruction], present: Instruction) -> None:
        """Have the failed instruction be the last that was told."""
        failed = [digest for digest, state in self._states.items() if state.error]
        if present.vertex is not None and present.vertex.digest in failed:
            return
        for at, one in enumerate(instructions):
            if one.vertex is not None and one.vertex.digest in failed:
                self._begin(instructions, at)
                return

    def _was_cached(self, vertex: Vertex, solved: Solved) -> bool:
        state = self._states.get(vertex.digest)
        return state.cached if state is not None else solved.cached

    def _is_present(self, digest: Digest) -> bool:
        return self._vertex is not None and self._vertex.digest == digest

    def _announce(self) -> None:
        if self._has_container and not self._container:
            seed = f"{id(self)} {time.monotonic_ns()}".encode()
            self._container = hashlib.sha256(seed).hexdigest()[:_SHORT]
            self._say(StepRuns(self._container))

    def _put_out(self, message: VertexLog) -> None:
        self._announce()
        self._say(StepOutput(message.stream, message.data))

    def _keep(self, message: VertexLog) -> None:
        size = self._kept_size.get(message.vertex, 0)
        if size > _KEPT:
            return
        self._kept_size[message.vertex] = size + len(message.data)
        kept = self._kept.setdefault(message.vertex, [])
        kept.append(message)
        if size + len(message.data) > _KEPT:
            kept.append(structs.replace(message, data=_CLIPPED))


async def _outcome(work: Awaitable[Solved]) -> Solved | EngineError:
    """The result or the failure: a group must not be torn down by it."""
    try:
        return await work
    except EngineError as error:
        return error


def _executes(state: VertexState) -> bool:
    return state.started is not None and not state.cached


def _base_of(one: Instruction) -> str:
    """ID of the image a FROM names, "" for anything else."""
    if one.begins_stage and one.vertex is not None:
        operation = one.vertex.operation
        if isinstance(operation, SourceOp):
            return operation.identifier.rpartition("@sha256:")[2]
    return ""


def _is_empty(one: Instruction) -> bool:
    """Tell whether a FROM names the empty file system."""
    if one.vertex is None:
        return True
    operation = one.vertex.operation
    return isinstance(operation, SourceOp) and operation.identifier == EMPTY_SOURCE


def _identify(one: Instruction, layers: list[Digest]) -> str:
    """What would be the ID of the image so far; no image of this ID exists, but for the last."""
    document = structs.replace(one.document, rootfs=RootFS(diff_ids=layers))
    return sha256_digest(encode_document(document)).removeprefix("sha256:")


def check_not_empty(planned: PlannedImage) -> None:
    """Refuse what makes no image at all, as Docker does."""
    named = [one for one in planned.instructions if not one.is_global]
    if all(one.begins_stage for one in named) and _is_empty(named[-1]):
        raise InvalidArgument("No image was generated. Is your Dockerfile empty?")
