"""What a frontend is asked, and the plan it answers with."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from msgspec import Struct, field

from wharfie.formats.digest import Digest
from wharfie.formats.oci.descriptor import Platform
from wharfie.model.build.graph import Vertex
from wharfie.model.image import ImageDocument


class HistoryForm(StrEnum):
    """Whose words history speaks."""

    CLASSIC = "classic"
    """`/bin/sh -c #(nop)  CMD ["sh"]`, as Docker's classic builder."""
    BUILDKIT = "buildkit"
    """`CMD ["sh"]`, comment `buildkit.dockerfile.v0`."""


CONTENT_MARK = "\0content\0"
"""Stands in a history entry of the classic form for the hexadecimal digest of what was copied
(`COPY file:<here> in /srv`): the exporter puts the layer's diff ID there, without "sha256:"."""


class ResolveMode(StrEnum):
    """Where base images are looked for."""

    LOCAL = "local"
    """Here first, then in the registry."""
    PULL = "pull"
    """The registry is always asked."""


class FrontendRequest(Struct, frozen=True, kw_only=True):
    """A build as its caller asked for it; field for field what POST /build or BuildKit sends.

    Attributes:
        dockerfile: bytes of the Dockerfile.
        filename: its name in errors and warnings.
        target: stage to build: name or number, "" for the last.
        arguments: `--build-arg`; None: named without a value, which is as not named.
        labels: added to the image after the Dockerfile's own.
        platforms: to build for; empty for the host's.
        host: the platform of this machine.
        contexts: named contexts (`--build-context name=…`): name to identifier
            ("docker-image://…", "local://…", "git://…", "https://…").
        no_cache: None uses the cache; an empty list ignores it in every stage, else in those.
        check: "" builds; "check" only lints (`--check`); "outline", "targets" describe.
        epoch: SOURCE_DATE_EPOCH in seconds, None where none was given.
        ignore_file: bytes of the .dockerignore that holds, None where there is none.
    """

    dockerfile: bytes
    filename: str = "Dockerfile"
    target: str = ""
    arguments: dict[str, str | None] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    platforms: list[Platform] = field(default_factory=list)
    host: Platform = field(default_factory=lambda: Platform(os="linux", architecture="amd64"))
    contexts: dict[str, str] = field(default_factory=dict)
    resolve_mode: ResolveMode = ResolveMode.LOCAL
    no_cache: list[str] | None = None
    check: str = ""
    history: HistoryForm = HistoryForm.CLASSIC
    epoch: int | None = None
    ignore_file: bytes | None = None


class BaseImage(Struct, frozen=True, kw_only=True):
    """An image a stage stands on.

    Attributes:
        reference: canonical ("docker.io/library/busybox:latest").
        identifier: of the source operation: names the very image, whatever the tag says later.
        document: its config.
    """

    reference: str
    identifier: str
    digest: Digest
    document: ImageDocument


class SourceRange(Struct, frozen=True):
    """Lines of a Dockerfile, counted from 1, both included; columns from 0."""

    start: int
    end: int
    start_column: int = 0
    end_column: int = 0


class BuildWarning(Struct, frozen=True, kw_only=True):
    """A finding of the linter, under Docker's name of the rule."""

    rule: str
    description: str
    url: str
    detail: str
    location: SourceRange | None = None
    is_error: bool = False


class Instruction(Struct, frozen=True, kw_only=True):
    """One instruction of a stage that the target needs, in the order of the file.

    Attributes:
        text: as the classic builder prints it after "Step 1/3 : ".
        vertex: what has to be done for it (a FROM: what it stands on), None where only the config
            changes.
        document: the config after it, without `rootfs` (the solver knows the layers).
        begins_stage: a FROM.
        is_global: an ARG before the first FROM: printed, and nothing more.
        triggers: of a FROM: ONBUILD instructions of the base that follow.
        is_trigger: one of those: done, but not printed as a step.
    """

    text: str
    vertex: Vertex | None
    document: ImageDocument
    location: SourceRange
    begins_stage: bool = False
    is_global: bool = False
    triggers: int = 0
    is_trigger: bool = False


class PlannedImage(Struct, frozen=True, kw_only=True):
    """One image of a build.

    Attributes:
        platform: it is for.
        root: vertex of its file system, None for an empty one (FROM scratch and nothing else).
        document: config and history; `rootfs.diff_ids` is empty: non-empty history entries stand
            for the layers, in order. Entries (and the document) without `created` get the time of
            the export, or that of an image that is otherwise equal, which then is the result: a
            build of the cache alone makes nothing new. Layers that hold nothing (`RUN true`)
            stay, as with BuildKit.
        base: image it stands on, None for scratch.
        is_base: nothing was done to the base: the classic builder then answers with its ID and
            makes no new image.
        instructions: of all stages needed, for those who tell of steps one by one.
    """

    platform: Platform
    root: Vertex | None
    document: ImageDocument
    base: BaseImage | None
    is_base: bool = False
    instructions: list[Instruction]


class BuildPlan(Struct, frozen=True, kw_only=True):
    """Everything a build has to do.

    Attributes:
        unused_arguments: `--build-arg` names that no ARG declares.
        report: answer of a `check` request as {"result.json": …, "result.txt": …}.
    """

    images: list[PlannedImage]
    warnings: list[BuildWarning] = field(default_factory=list)
    unused_arguments: list[str] = field(default_factory=list)
    report: dict[str, str] = field(default_factory=dict)


class FrontendBridge(Protocol):
    """What a frontend may ask while it plans."""

    async def resolve_image(
        self, reference: str, platform: Platform, mode: ResolveMode
    ) -> BaseImage:
        """The image a FROM or COPY --from names; pulled where it has to be.

        Raises:
            NotFound: neither here nor in the registry.
        """


class Frontend(Protocol):
    """Turns a Dockerfile into a plan; runs nothing, reads nothing but through the bridge."""

    async def plan(self, request: FrontendRequest, bridge: FrontendBridge) -> BuildPlan:
        """Parse, check, resolve base images, make the graph.

        Raises:
            DockerfileError: with the location and Docker's words.
        """
