"""What one planning run knows, handed to the stages it builds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from wharfie.build.frontend.history import HistoryWriter
from wharfie.build.frontend.linting.findings import Findings
from wharfie.build.frontend.program import Program, Stage
from wharfie.formats.oci.descriptor import Platform
from wharfie.model.build.errors import DockerfileError
from wharfie.model.build.graph import EMPTY_SOURCE, SourceOp, Vertex
from wharfie.model.build.plan import BaseImage, FrontendRequest, HistoryForm, Instruction
from wharfie.model.image import ImageDocument

EMPTY = "scratch"
CONTEXT = "context"


class StageResult(Struct, frozen=True, kw_only=True):
    """A stage, built.

    Attributes:
        document: config and history after its last instruction.
        base: image at the bottom, None for scratch.
        declared: arguments it leaves to stages that stand on it.
        changes: instructions done since the image at the bottom.
        has_workdir: a WORKDIR of the file is in force.
    """

    root: Vertex | None
    document: ImageDocument
    base: BaseImage | None
    declared: Mapping[str, str | None]
    instructions: Sequence[Instruction]
    changes: int = 0
    has_workdir: bool = False


class PlanContext:
    """One platform of one build being planned."""

    def __init__(
        self,
        request: FrontendRequest,
        program: Program,
        platform: Platform,
        *,
        arguments: Mapping[str, str],
        given: Mapping[str, str],
        ignored: Sequence[str],
        created: str,
        findings: Findings,
    ) -> None:
        """Begin.

        Args:
            request: of the caller.
            program: its Dockerfile.
            platform: to build for.
            arguments: global ones, as FROM lines see them.
            given: `--build-arg` with values.
            ignored: patterns of the .dockerignore.
            created: time of history entries, "" for whoever exports.
            findings: takes what the linter finds.
        """
        self.findings = findings
        self.request = request
        self.program = program
        self.platform = platform
        self.arguments = arguments
        self.given = given
        self.history = HistoryWriter(request.history, created)
        self.images: dict[tuple[str, Platform], BaseImage] = {}
        self.results: dict[int, StageResult] = {}
        self._ignored = ignored
        self._sources: dict[str, Vertex] = {}

    @property
    def is_classic(self) -> bool:
        """Whether the classic builder's habits are wanted where both differ."""
        return self.request.history is HistoryForm.CLASSIC

    def context_source(self) -> Vertex:
        """The build context."""
        return self.local_source(CONTEXT)

    def local_source(self, name: str) -> Vertex:
        """A tree the caller sent."""
        excluded = self._ignored if name == CONTEXT else ()
        attributes = {"exclude": msgspec.json.encode(list(excluded)).decode()} if excluded else {}
        label = "build context" if name == CONTEXT else f"build context {name}"
        return self.source(
            SourceOp(identifier=f"local://{name}", attributes=attributes),
            f"[internal] load {label}",
        )

    def source(self, operation: SourceOp, name: str) -> Vertex:
        """One vertex for equal sources."""
        vertex = made(Vertex(operation, name=name))
        return self._sources.setdefault(vertex.digest, vertex)

    def empty_source(self) -> Vertex:
        """The empty file system, where something needs one to stand on."""
        return self.source(SourceOp(identifier=EMPTY_SOURCE), "[internal] empty file system")

    def image_source(self, image: BaseImage, platform: Platform, name: str) -> Vertex:
        """The file system of an image."""
        return self.source(SourceOp(identifier=image.identifier, platform=platform), name)

    def ignores_cache(self, stage: Stage) -> bool:
        """Whether `--no-cache` means this stage."""
        stages = self.request.no_cache
        if stages is None:
            return False
        return not stages or any(
            name in (str(stage.index), stage.origin.alias) or name.lower() == stage.origin.name
            for name in stages
        )

    def error(self, message: str, start: int, end: int = 0) -> DockerfileError:
        """An error at these lines."""
        return self.program.error(message, start, end)


def made(vertex: Vertex) -> Vertex:
    """The vertex, named: names are computed from the bottom up, as deep graphs need it."""
    assert vertex.digest
    return vertex
