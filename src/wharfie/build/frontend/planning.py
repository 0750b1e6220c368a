"""Plans the stages a target needs, for one platform."""

from __future__ import annotations

import asyncio
import re

from msgspec import Struct, structs

from wharfie.build.frontend.context import EMPTY, PlanContext, StageResult, made
from wharfie.build.frontend.links import find_stage, foreign_names, ordered
from wharfie.build.frontend.naming import StepNames
from wharfie.build.frontend.platforms import InvalidPlatform, format_platform, parse_platform
from wharfie.build.frontend.program import Stage, range_of
from wharfie.build.frontend.sources import is_http, parse_git, url_filename
from wharfie.build.frontend.stage import Foundation, StageBuilder
from wharfie.engine.images.making.instructions import with_default_path
from wharfie.formats.dockerfile import instructions as kinds
from wharfie.formats.dockerfile.expansion import expand
from wharfie.formats.dockerfile.parser import parse_statement
from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.dockerfile.reading import read_instruction
from wharfie.formats.goquote import go_quote
from wharfie.formats.oci.descriptor import Platform
from wharfie.formats.reference import InvalidReference, parse_familiar, parse_reference
from wharfie.model.build.errors import DockerfileError
from wharfie.model.build.graph import CopyAction, FileOp, SourceOp, Vertex
from wharfie.model.build.plan import BaseImage, FrontendBridge, Instruction
from wharfie.model.errors import NotFound
from wharfie.model.image import ImageConfig, ImageDocument

_IMAGE = "docker-image://"
_LOCAL = "local://"
_IDENTIFIER = re.compile(r"(?:sha256:)?[0-9a-f]{64}")
MAX_TRIGGERS = 1000
MANY = 100
"""Statements of a file that is planned in a thread: the loop must not stall."""


class Origin(Struct, frozen=True, kw_only=True):
    """What a FROM names, decided.

    Attributes:
        base: expanded.
        stage: of this file, None for everything else.
        context: identifier of a named context, "" for none.
    """

    base: str
    platform: Platform
    stage: Stage | None = None
    context: str = ""

    @property
    def image(self) -> str:
        """Reference of the image to be resolved, "" for none."""
        if self.context:
            return self.context.removeprefix(_IMAGE) if self.context.startswith(_IMAGE) else ""
        return "" if self.stage is not None or self.base == EMPTY else self.base


class Planner:
    """Plans one image."""

    def __init__(self, context: PlanContext, bridge: FrontendBridge) -> None:
        self._context = context
        self._program = context.program
        self._bridge = bridge
        self._origins: dict[int, Origin] = {}
        self._triggers: dict[int, list[kinds.AnyInstruction]] = {}
        self._needs: dict[int, set[int]] = {}
        self._images: dict[tuple[str, Platform], BaseImage] = {}
        self._foreign: dict[str, BaseImage] = {}

    async def plan(self, target: Stage) -> StageResult:
        """Plan the target and what it needs.

        Raises:
            DockerfileError: something about it is wrong.
        """
        stages = await self._find_needed(target)
        if len(self._program.file.statements) > MANY:
            instructions = await asyncio.to_thread(self._build_all, stages, target)
        else:
            instructions = self._build_all(stages, target)
        result = self._context.results[target.index]
        is_empty = result.base is None and result.root is None and not result.changes
        if is_empty and self._context.is_classic:
            raise DockerfileError("No image was generated. Is your Dockerfile empty?")
        return structs.replace(result, instructions=instructions)

    def _build_all(self, stages: list[Stage], target: Stage) -> list[Instruction]:
        instructions = self._global_instructions()
        for stage in stages:
            result = self._build(stage, is_target=stage is target)
            self._context.results[stage.index] = result
            instructions += result.instructions
        return instructions

    async def _find_needed(self, target: Stage) -> list[Stage]:
        """Resolve images until no new stage turns up: triggers of a base may name stages."""
        looked_at: set[int] = set()
        pending = [target]
        while pending:
            for stage in pending:
                looked_at.add(stage.index)
                self._origins[stage.index] = self._origin(stage)
                self._needs[stage.index] = await self._linked(stage, stage.instructions)
            await self._resolve(pending)
            for stage in pending:
                self._needs[stage.index] |= await self._linked(stage, self._own_triggers(stage))
            found = {need for stage in pending for need in self._needs[stage.index]}
            pending = [self._program.stages[index] for index in sorted(found - looked_at)]
        stages = ordered(self._program, target, self._needs)
        if all(need < index for index, needs in self._needs.items() for need in needs):
            stages.sort(key=lambda stage: stage.index)
        return stages

    def _global_instructions(self) -> list[Instruction]:
        return [
            Instruction(
                text=arg.statement.text.strip(),
                vertex=None,
                document=ImageDocument(),
                location=range_of(arg.statement),
                is_global=True,
            )
            for arg in self._program.arguments
        ]

    def _origin(self, stage: Stage) -> Origin:
        statement = stage.origin.statement
        base = self._expanded(stage.origin.base, stage)
        if not base:
            raise self._context.error(
                f"base name ({stage.origin.base[:200]}) should not be blank",
                statement.start,
                statement.end,
            )
        platform = self._context.platform
        if stage.origin.platform:
            text = self._expanded(stage.origin.platform, stage)
            if not text:
                raise self._context.error(
                    f"empty platform value from expression {stage.origin.platform[:200]}",
                    statement.start,
                    statement.end,
                )
            try:
                platform = parse_platform(text, self._context.request.host)
            except InvalidPlatform as error:
                raise self._context.error(
                    f"failed to parse platform {error}", statement.start, statement.end
                ) from None
        named = self._named_context(base)
        if named:
            return Origin(base=base, platform=platform, context=named)
        found = self._program.named(base, before=stage.index)
        if found is None and base != EMPTY:
            self._check_reference(base, stage)
        return Origin(base=base, platform=platform, stage=found)

    def _check_reference(self, text: str, stage: Stage) -> None:
        if _IDENTIFIER.fullmatch(text):
            return
        statement = stage.origin.statement
        try:
            parse_reference(text)
        except InvalidReference as error:
            prefix = (
                ""
                if self._context.is_classic
                else (f"failed to parse stage name {go_quote(text[:200])}: ")
            )
            raise self._context.error(f"{prefix}{error}", statement.start, statement.end) from None

    def _expanded(self, text: str, stage: Stage) -> str:
        statement = stage.origin.statement
        try:
            return expand(text, self._context.arguments, escape=self._program.escape).text
        except DockerfileProblem as problem:
            raise self._context.error(str(problem), statement.start, statement.end) from None

    def _named_context(self, name: str) -> str:
        """Identifier of the context that stands for a name, "" for none."""
        contexts = self._context.request.contexts
        if not contexts or name == EMPTY:
            return ""
        reference = parse_familiar(name)
        spellings = [name]
        if reference is not None:
            tagged = reference.tagged()
            spellings += [str(tagged), tagged.familiar(), tagged.familiar_name]
        for spelling in spellings:
            if spelling in contexts:
                return contexts[spelling]
        return ""

    async def _linked(self, stage: Stage, instructions: list[kinds.AnyInstruction]) -> set[int]:
        """Stages these instructions need; images they name are resolved on the way."""
        needs = {origin.index} if (origin := self._origins[stage.index].stage) else set()
        try:
            names = list(foreign_names(instructions))
        except DockerfileProblem as problem:
            raise self._context.error(str(problem), problem.start, problem.end) from None
        for name, start, end in names:
            if self._named_context(name):
                await self._resolve_foreign(name, start, end)
                continue
            found = find_stage(self._program, name, start=start, end=end)
            if found is None:
                await self._resolve_foreign(name, start, end)
            else:
                needs.add(found.index)
        return needs

    async def _resolve_foreign(self, name: str, start: int, end: int) -> None:
        reference = self._named_context(name) or _IMAGE + name
        if name == EMPTY or not reference.startswith(_IMAGE) or name in self._foreign:
            return
        reference = reference.removeprefix(_IMAGE)
        try:
            self._foreign[name] = await self._bridge.resolve_image(
                reference, self._context.platform, self._context.request.resolve_mode
            )
        except NotFound as error:
            message = f"invalid from flag value {name[:200]}: {error.message}"
            raise self._context.error(message, start, end) from None

    async def _resolve(self, stages: list[Stage]) -> None:
        """Resolve the images of these stages, side by side."""
        origins = [self._origins[stage.index] for stage in stages]
        wanted = {(origin.image, origin.platform) for origin in origins if origin.image}
        wanted -= set(self._images)
        try:
            async with asyncio.TaskGroup() as group:
                for reference, platform in sorted(wanted, key=_by_reference):
                    group.create_task(self._resolve_one(reference, platform))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _resolve_one(self, reference: str, platform: Platform) -> None:
        self._images[reference, platform] = await self._bridge.resolve_image(
            reference, platform, self._context.request.resolve_mode
        )

    def _own_triggers(self, stage: Stage) -> list[kinds.AnyInstruction]:
        """ONBUILD instructions of what the stage stands on."""
        if stage.index in self._triggers:
            return self._triggers[stage.index]
        origin = self._origins[stage.index]
        texts: list[str] = []
        if origin.stage is not None:
            texts = [
                instruction.trigger
                for instruction in origin.stage.instructions
                if isinstance(instruction, kinds.OnBuild)
            ]
        elif origin.image:
            config = self._images[origin.image, origin.platform].document.config
            texts = (config.on_build if config else None) or []
        statement = stage.origin.statement
        if len(texts) > MAX_TRIGGERS:
            raise self._context.error(
                f"more than {MAX_TRIGGERS} build triggers", statement.start, statement.end
            )
        try:
            triggers = [_trigger(text) for text in texts]
        except DockerfileProblem as problem:
            raise self._context.error(str(problem), statement.start, statement.end) from None
        self._triggers[stage.index] = triggers
        return triggers

    def _build(self, stage: Stage, *, is_target: bool) -> StageResult:
        origin = self._origins[stage.index]
        triggers = self._own_triggers(stage)
        is_foreign = origin.platform != self._context.platform
        names = StepNames(
            stage,
            len(triggers),
            is_alone=len(self._program.stages) == 1,
            platform=format_platform(origin.platform) if is_foreign else "",
            has_source=bool(origin.image or origin.context),
        )
        foundation = self._foundation(origin, names)
        document = foundation.document
        if document.config is not None and document.config.on_build:
            config = structs.replace(document.config, on_build=None)
            document = structs.replace(document, config=config)
        foundation = structs.replace(foundation, document=document, triggers=triggers)
        builder = StageBuilder(
            stage,
            foundation,
            self._context,
            names=names,
            source_of=self._source_of,
            labels=self._context.request.labels if is_target else {},
        )
        return builder.build()

    def _foundation(self, origin: Origin, names: StepNames) -> Foundation:
        if origin.stage is not None:
            below = self._context.results[origin.stage.index]
            return Foundation(
                root=below.root,
                document=self._adopted(below.document),
                image=below.base,
                declared=below.declared,
                changes=below.changes,
                has_workdir=below.has_workdir,
            )
        if origin.image:
            image = self._images[origin.image, origin.platform]
            root = self._context.image_source(
                image, origin.platform, names.next(f"FROM {image.reference}")
            )
            document = _standing_on(image.document)
            return Foundation(root=root, document=self._adopted(document), image=image)
        empty = ImageDocument(
            architecture=origin.platform.architecture,
            os=origin.platform.os,
            variant=origin.platform.variant,
            os_version=origin.platform.os_version,
            config=with_default_path(
                ImageConfig(working_dir="" if self._context.is_classic else "/")
            ),
        )
        tree: Vertex | None = None
        if origin.context:
            tree = self._tree(origin.context, origin.base)
            names.next(f"FROM {origin.base}")
        return Foundation(root=tree, document=empty, image=None)

    def _adopted(self, document: ImageDocument) -> ImageDocument:
        """The classic builder forgets an author at every FROM, BuildKit does not."""
        return structs.replace(document, author="") if self._context.is_classic else document

    def _source_of(self, name: str) -> Vertex:
        """What `from=` names, as a file system."""
        context = self._context
        if not name:
            return context.context_source()
        if name == EMPTY:
            return context.empty_source()
        identifier = self._named_context(name)
        if identifier and not identifier.startswith(_IMAGE):
            return self._tree(identifier, name)
        if name in self._foreign:
            image = self._foreign[name]
            return context.image_source(image, context.platform, f"FROM {image.reference}")
        stage = find_stage(self._program, name, start=0, end=0)
        if stage is None or stage.index not in context.results:
            raise DockerfileProblem(f"invalid from flag value {name[:200]}")
        return context.results[stage.index].root or context.empty_source()

    def _tree(self, identifier: str, name: str) -> Vertex:
        """The files of a named context."""
        context = self._context
        if identifier.startswith(_LOCAL):
            return context.local_source(identifier.removeprefix(_LOCAL))
        label = f"[context {name}] load from {identifier}"
        git = parse_git(identifier.removeprefix("git://") if _is_own(identifier) else identifier)
        if git is not None:
            return context.source(SourceOp(identifier=git.identifier), label)
        if not is_http(identifier):
            raise DockerfileProblem(f"unsupported context source {identifier[:200]!r} for {name}")
        filename = url_filename(identifier) or "context"
        file = context.source(
            SourceOp(identifier=identifier, attributes={"filename": filename}), label
        )
        action = CopyAction(input=1, sources=[filename], destination="/", unpack=True)
        return made(Vertex(FileOp(actions=[action]), [context.empty_source(), file], name=label))


def _is_own(identifier: str) -> bool:
    """Whether it is spelled as a source operation's identifier ("git://https://…")."""
    return identifier.startswith(("git://http", "git://git@", "git://ssh:"))


def _by_reference(wanted: tuple[str, Platform]) -> tuple[str, str]:
    return wanted[0], format_platform(wanted[1])


def _trigger(text: str) -> kinds.AnyInstruction:
    instruction = read_instruction(parse_statement(text))
    if isinstance(instruction, kinds.From | kinds.Maintainer | kinds.OnBuild):
        name = instruction.statement.name.upper()
        if name == "ONBUILD":
            raise DockerfileProblem("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
        raise DockerfileProblem(f"{name} isn't allowed as an ONBUILD trigger")
    return instruction


def _standing_on(document: ImageDocument) -> ImageDocument:
    """The config a stage starts with: the image's, without what names that very image."""
    return ImageDocument(
        architecture=document.architecture,
        os=document.os,
        variant=document.variant,
        os_version=document.os_version,
        author=document.author,
        config=with_default_path(document.config or ImageConfig()),
        history=document.history,
    )
