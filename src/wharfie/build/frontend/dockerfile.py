"""The frontend itself: parse, find what is needed, resolve images, plan stage by stage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import partial

from wharfie.build.frontend.context import PlanContext, StageResult
from wharfie.build.frontend.linting.checks import check_program
from wharfie.build.frontend.linting.findings import Findings
from wharfie.build.frontend.linting.report import check_report
from wharfie.build.frontend.planning import MANY, Planner
from wharfie.build.frontend.program import Program, Stage, read_program
from wharfie.build.frontend.scope import (
    given_arguments,
    global_arguments,
    platform_arguments,
    unused_arguments,
)
from wharfie.build.frontend.subrequests.outline import outline_report
from wharfie.build.frontend.subrequests.targets import targets_report
from wharfie.formats.dockerfile.directives import Checks, parse_checks
from wharfie.formats.dockerfile.ignore import IgnorePatterns, InvalidIgnoreFile, read_ignore_file
from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.dockerfile.suggestion import did_you_mean
from wharfie.formats.oci.descriptor import Platform
from wharfie.model.build.errors import DockerfileError
from wharfie.model.build.plan import (
    BuildPlan,
    FrontendBridge,
    FrontendRequest,
    HistoryForm,
    PlannedImage,
)

_LARGE = 1 << 14
_QUESTIONS = ("outline", "targets")
_OWN_SYNTAXES = (
    "docker/dockerfile",
    "docker.io/docker/dockerfile",
    "docker/dockerfile-upstream",
    "docker.io/docker/dockerfile-upstream",
)


class DockerfileFrontend:
    """Plans builds of Dockerfiles; holds no state."""

    async def plan(self, request: FrontendRequest, bridge: FrontendBridge) -> BuildPlan:
        """Parse, check, resolve base images, make the graph.

        Raises:
            DockerfileError: with the location and Docker's words.
        """
        findings = Findings(Checks())
        try:
            program = await _read(request)
            _check_syntax(program, request)
            findings = Findings(_checks(program, request))
            if request.check in _QUESTIONS:
                return BuildPlan(images=[], report=_described(program, request))
            images = await _planned(request, program, bridge, findings)
        except DockerfileError as error:
            if request.check != "check" or error.location is None:
                raise
            return BuildPlan(
                images=[],
                warnings=findings.warnings(),
                report=_report(request, findings, error),
            )
        failure = findings.failure()
        if failure and not request.check:
            raise DockerfileError(failure, is_syntax=True)
        return BuildPlan(
            images=images,
            warnings=findings.warnings(),
            unused_arguments=unused_arguments(program, request),
            report=_report(request, findings, None) if request.check == "check" else {},
        )


def _described(program: Program, request: FrontendRequest) -> dict[str, str]:
    """The answer of a question about the file; nothing is resolved for it."""
    if request.check == "targets":
        return targets_report(program, request.dockerfile)
    target = find_target(program, request.target)
    given = given_arguments(request)
    automatic = platform_arguments(request.host, request.host, target.origin.alias)
    try:
        return outline_report(
            program,
            request.dockerfile,
            target,
            given=given,
            arguments=global_arguments(program, automatic, given),
        )
    except DockerfileProblem as problem:
        raise program.error(str(problem), problem.start, problem.end) from None


async def _read(request: FrontendRequest) -> Program:
    arguments = (request.dockerfile, request.filename, request.history)
    if len(request.dockerfile) > _LARGE:
        return await asyncio.to_thread(read_program, *arguments)
    return read_program(*arguments)


async def _planned(
    request: FrontendRequest, program: Program, bridge: FrontendBridge, findings: Findings
) -> list[PlannedImage]:
    target = find_target(program, request.target)
    ignored = _ignored(request)
    images: list[PlannedImage] = []
    for platform in request.platforms or [request.host]:
        given = given_arguments(request)
        automatic = platform_arguments(platform, request.host, target.origin.alias)
        arguments = global_arguments(program, automatic, given)
        check = partial(
            check_program,
            program,
            findings,
            arguments=arguments,
            automatic=automatic,
            ignored=IgnorePatterns(ignored),
        )
        if len(program.file.statements) > MANY:
            await asyncio.to_thread(check)
        else:
            check()
        context = PlanContext(
            request,
            program,
            platform,
            arguments=arguments,
            given=given,
            ignored=ignored,
            created=_created(given),
            findings=findings,
        )
        result = await Planner(context, bridge).plan(target)
        images.append(_image(result, platform))
    return images


def _checks(program: Program, request: FrontendRequest) -> Checks:
    override = request.arguments.get("BUILDKIT_DOCKERFILE_CHECK")
    return parse_checks(override) if override else program.file.directives.checks


def _report(
    request: FrontendRequest, findings: Findings, error: DockerfileError | None
) -> dict[str, str]:
    return check_report(request.dockerfile, request.filename, findings.warnings(), error)


def _image(result: StageResult, platform: Platform) -> PlannedImage:
    return PlannedImage(
        platform=platform,
        root=result.root,
        document=result.document,
        base=result.base,
        is_base=result.base is not None and not result.changes,
        instructions=list(result.instructions),
    )


def _check_syntax(program: Program, request: FrontendRequest) -> None:
    """Refuse a file in a language of its own: no stranger's program reads it here."""
    syntax = request.arguments.get("BUILDKIT_SYNTAX") or program.file.directives.syntax
    name = syntax.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        name = head
    if syntax and name not in _OWN_SYNTAXES:
        raise DockerfileError(
            f"unsupported frontend {syntax[:200]!r}: "
            "only the Dockerfile syntax (docker/dockerfile) is understood",
            is_syntax=True,
        )


def find_target(program: Program, name: str) -> Stage:
    """The stage to build.

    Raises:
        DockerfileError: there is none of that name or number.
    """
    if not name:
        return program.stages[-1]
    stage = program.named(name)
    if stage is None and name.isascii() and name.isdigit() and len(name) < 6:
        index = int(name)
        stage = program.stages[index] if index < len(program.stages) else None
    if stage is None:
        near = did_you_mean(name, [stage.origin.name for stage in program.stages])
        if program.is_classic:
            near = ""
        raise DockerfileError(
            f'target stage "{name[:200]}" could not be found{near}', is_syntax=True
        )
    return stage


def _ignored(request: FrontendRequest) -> list[str]:
    if request.ignore_file is None:
        return []
    try:
        patterns = read_ignore_file(request.ignore_file)
        IgnorePatterns(patterns)
    except InvalidIgnoreFile as error:
        prefix = "error checking context: " if request.history is HistoryForm.CLASSIC else ""
        raise DockerfileError(f"{prefix}{error}", is_syntax=True) from None
    return patterns


def _created(given: Mapping[str, str]) -> str:
    """Time of history entries where the caller fixed it, "" otherwise."""
    text = given.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return ""
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise DockerfileError(f"invalid SOURCE_DATE_EPOCH: {text[:80]}", is_syntax=True)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(text)))
