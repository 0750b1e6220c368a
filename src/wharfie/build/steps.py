"""Instructions told one after the other, though their steps run side by side.

The whole graph is solved at once; beside that the instructions are walked in the order of the
file, each waited for. What a step says before its turn is kept, within bounds.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable

from msgspec import structs

from wharfie.build.happenings import (
    Happening,
    StepBegan,
    StepEnded,
    StepFailing,
    StepOutput,
    StepRuns,
)
from wharfie.engine.images.making.importing import encode_document
from wharfie.formats.digest import Digest
from wharfie.model.build.graph import EMPTY_SOURCE, SourceOp, Vertex
from wharfie.model.build.plan import Instruction, PlannedImage
from wharfie.model.build.progress import BuildMessage, VertexLog, VertexState
from wharfie.model.build.solver import BuildJob, Solved
from wharfie.model.errors import EngineError, InvalidArgument

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
        known: steps of earlier builds.
        tell: takes what happens.
    """

    def __init__(self, known: KnownSteps, tell: Tell) -> None:
        self._known = known
        self._say = tell
        self._states: dict[Digest, VertexState] = {}
        self._kept: dict[Digest, list[VertexLog]] = {}
        self._kept_size: dict[Digest, int] = {}
        self._changed = asyncio.Event()
        self._vertex: Vertex | None = None
        self._container = ""
        self._has_container = False
        self._is_cached = True
        self._last: StepEnded | None = None

    def tell(self, message: BuildMessage) -> None:
        """Take one message of the solver."""
        self._say(message)
        match message:
            case VertexState():
                self._states[message.digest] = message
                self._changed.set()
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
        """Solve an image and tell of its instructions, but for the end of the last one.

        Raises:
            EngineError: a step failed; its instruction and output were told before.
        """
        async with asyncio.TaskGroup() as group:
            whole = group.create_task(self._solve(job, planned.root))
            await self._walk(planned.instructions, whole)
        result = whole.result()
        if isinstance(result, EngineError):
            self._tell_failed(planned.instructions)
            raise result
        return result

    def finish(self, image: str) -> None:
        """Tell of the end of the last instruction.

        Args:
            image: hexadecimal ID of what was built, "" where no image was made.
        """
        if self._last is not None:
            self._say(structs.replace(self._last, image=image or self._last.image))

    async def _solve(self, job: BuildJob, root: Vertex | None) -> Solved | EngineError:
        """The result or the failure: a group must not be torn down by it."""
        try:
            return Solved(layers=[]) if root is None else await job.solve(root)
        except EngineError as error:
            return error
        finally:
            self._changed.set()

    async def _walk(
        self, instructions: list[Instruction], whole: asyncio.Task[Solved | EngineError]
    ) -> None:
        below = ""
        for at, one in enumerate(instructions):
            if not await self._settled(one, whole):
                return
            if self._last is not None:
                self._say(self._last)
                self._last = None
            self._begin(instructions, at)
            if one.is_global:
                continue
            if one.begins_stage:
                self._is_cached, below = True, ""
            if one.vertex is not None:
                below = one.vertex.digest
                while not (whole.done() or self._is_done(one.vertex)):
                    self._changed.clear()
                    await self._changed.wait()
                if not self._is_done(one.vertex) and isinstance(whole.result(), EngineError):
                    return
            following = instructions[at + 1] if at + 1 < len(instructions) else None
            is_last = following is None or not following.is_trigger
            self._end(one, below, is_last=is_last)

    async def _settled(self, one: Instruction, whole: asyncio.Task[Solved | EngineError]) -> bool:
        """Tell whether an instruction's turn comes; False once the build failed elsewhere."""
        await asyncio.sleep(0)
        if not whole.done() or not isinstance(whole.result(), EngineError):
            return True
        return one.vertex is None or self._is_done(one.vertex)

    def _is_done(self, vertex: Vertex) -> bool:
        state = self._states.get(vertex.digest)
        return state is not None and state.completed is not None and not state.error

    def _begin(self, instructions: list[Instruction], at: int) -> None:
        one = instructions[at]
        self._vertex, self._container = one.vertex, ""
        word = one.text.partition(" ")[0].upper()
        self._has_container = word not in _WITHOUT_CONTAINER and not one.begins_stage
        if not one.is_trigger:
            shown = [other for other in instructions if not other.is_trigger]
            self._say(
                StepBegan(
                    number=next(n for n, other in enumerate(shown, 1) if other is one),
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

    def _end(self, one: Instruction, below: str, *, is_last: bool) -> None:
        image = _base_of(one) or _identify(one, below)
        if one.begins_stage:
            if is_last:
                self._last = StepEnded("" if _is_empty(one) else image)
            self._known.add(image)
            return
        state = self._states.get(one.vertex.digest) if one.vertex is not None else None
        if one.vertex is None:
            cached = self._is_cached and image in self._known
        else:
            cached = state is not None and state.cached
        self._is_cached = self._is_cached and cached
        self._known.add(image)
        if not cached:
            self._announce()
        ended = StepEnded(image, cached, self._container, is_last)
        if is_last:
            self._last = ended
        else:
            self._say(ended)

    def _tell_failed(self, instructions: list[Instruction]) -> None:
        """Have the failed instruction be the last that was told."""
        failed = {digest for digest, state in self._states.items() if state.error}
        at = next(
            (
                number
                for number, one in enumerate(instructions)
                if one.vertex is not None and one.vertex.digest in failed
            ),
            None,
        )
        if at is None:
            return
        one = instructions[at]
        if self._last is not None:
            self._say(self._last)
        if one.vertex is not self._vertex:
            self._begin(instructions, at)
        self._say(StepFailing(one.location))

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


def _identify(one: Instruction, below: str) -> str:
    """Stands for the image so far: there is none of this ID, but it is the same each time."""
    state = hashlib.sha256(encode_document(one.document))
    state.update(below.encode())
    return state.hexdigest()


def check_not_empty(planned: PlannedImage, teller: StepTeller) -> None:
    """Refuse what makes no image at all, as Docker does."""
    named = [one for one in planned.instructions if not one.is_global]
    if all(one.begins_stage for one in named) and _is_empty(named[-1]):
        teller.finish("")
        raise InvalidArgument("No image was generated. Is your Dockerfile empty?")
