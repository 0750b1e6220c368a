"""`--call=outline`: what a target takes: arguments with their values, secrets, ssh agents."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import msgspec
from msgspec import Struct, field

from wharfie.build.frontend.links import foreign_names, ordered
from wharfie.build.frontend.program import Program, Stage
from wharfie.build.frontend.scope import ArgumentScope
from wharfie.build.frontend.subrequests.table import comment_about, table
from wharfie.formats.dockerfile import instructions as kinds
from wharfie.formats.dockerfile.expansion import expand
from wharfie.formats.dockerfile.mounts import parse_mount
from wharfie.formats.dockerfile.problem import DockerfileProblem


class Outlined(Struct, omit_defaults=True):
    """One thing a target takes."""

    name: str
    description: str = ""
    value: str = ""
    required: bool = False


class Outline(Struct, omit_defaults=True):
    """Everything it takes."""

    name: str = ""
    description: str = ""
    args: list[Outlined] = field(default_factory=list)
    secrets: list[Outlined] = field(default_factory=list)
    ssh: list[Outlined] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)


def outline_report(
    program: Program,
    dockerfile: bytes,
    target: Stage,
    *,
    given: Mapping[str, str],
    arguments: Mapping[str, str],
) -> dict[str, str]:
    """The outline of a target.

    Args:
        program: the file.
        dockerfile: its bytes.
        target: the stage asked about.
        given: `--build-arg` with values.
        arguments: values that FROM lines see.

    Raises:
        DockerfileError: stages need each other in a circle.
        DockerfileProblem: a mount or a default that cannot be read.
    """
    taken: dict[str, dict[str, Outlined]] = {"args": {}, "secret": {}, "ssh": {}}
    stages = ordered(program, target, _needs(program, arguments))
    for arg in program.arguments:
        for argument in arg.arguments:
            description = comment_about(arg.statement.comments, argument.name)
            value = arguments.get(argument.name, "")
            taken["args"][argument.name] = Outlined(argument.name, description, value)
    for stage in stages:
        _look_at(stage, program, taken, ArgumentScope(given, arguments, {}))
    outline = Outline(
        name=target.origin.alias,
        description=comment_about(target.origin.statement.comments, target.origin.alias),
        args=list(taken["args"].values()),
        secrets=list(taken["secret"].values()),
        ssh=list(taken["ssh"].values()),
        sources=[base64.b64encode(dockerfile).decode()],
    )
    return {
        "result.json": msgspec.json.format(msgspec.json.encode(outline), indent=2).decode(),
        "result.txt": _text(outline),
        "version": "1.0.0",
    }


def _needs(program: Program, arguments: Mapping[str, str]) -> dict[int, set[int]]:
    needs: dict[int, set[int]] = {}
    for stage in program.stages:
        base = expand(stage.origin.base, arguments, escape=program.escape).text
        found = [program.named(base, before=stage.index)]
        for name, _, _ in foreign_names(stage.instructions):
            is_number = name.isascii() and name.isdigit() and int(name) < len(program.stages)
            found.append(program.stages[int(name)] if is_number else program.named(name))
        needs[stage.index] = {need.index for need in found if need is not None}
    return needs


def _look_at(
    stage: Stage,
    program: Program,
    taken: dict[str, dict[str, Outlined]],
    scope: ArgumentScope,
) -> None:
    for instruction in stage.instructions:
        if isinstance(instruction, kinds.Arg):
            for argument in instruction.arguments:
                default = argument.value
                if default is not None:
                    default = expand(default, scope.values(), escape=program.escape).text
                value = scope.declare(argument.name, default)
                description = comment_about(instruction.statement.comments, argument.name)
                known = taken["args"].get(argument.name, Outlined(argument.name))
                taken["args"][argument.name] = Outlined(
                    argument.name, description or known.description, value or known.value
                )
        elif isinstance(instruction, kinds.Run):
            for text in instruction.mounts:
                _look_at_mount(text, instruction, taken)


def _look_at_mount(text: str, run: kinds.Run, taken: dict[str, dict[str, Outlined]]) -> None:
    try:
        mount = parse_mount(text)
    except DockerfileProblem as problem:
        raise problem.at(run.statement.start, run.statement.end) from None
    if mount.kind not in ("secret", "ssh"):
        return
    name = mount.id or (mount.target.rpartition("/")[2] if mount.kind == "secret" else "default")
    known = taken[mount.kind].get(name)
    required = mount.required or (known is not None and known.required)
    taken[mount.kind][name] = Outlined(name, required=required)


def _text(outline: Outline) -> str:
    parts: list[str] = []
    if outline.name or outline.description:
        rows = [("DESCRIPTION:", outline.description)] if outline.description else []
        parts.append(table(("TARGET:", outline.name or "(default)"), rows, gap=2))
    if outline.args:
        found = [(one.name, one.value, one.description) for one in outline.args]
        parts.append(table(("BUILD ARG", "VALUE", "DESCRIPTION"), found, gap=3))
    for title, things in (("SECRET", outline.secrets), ("SSH", outline.ssh)):
        if things:
            told = [(one.name, "true" if one.required else "") for one in things]
            parts.append(table((title, "REQUIRED"), told, gap=3))
    return "\n".join(parts)
