"""Checks that need nothing but the text and the arguments of the build.

What needs the variables of base images (UndefinedVar) is found while stages are planned.
Source: Docker documentation, "Build checks".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from wharfie.build.frontend.linting.findings import Findings
from wharfie.build.frontend.linting.rules import Rule
from wharfie.build.frontend.program import Program, Stage
from wharfie.formats.dockerfile import instructions as kinds
from wharfie.formats.dockerfile.expansion import Expanded, expand
from wharfie.formats.dockerfile.ignore import IgnorePatterns
from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.dockerfile.statement import Statement
from wharfie.formats.dockerfile.suggestion import nearest
from wharfie.formats.goquote import go_quote
from wharfie.formats.reference import parse_familiar

_RESERVED = ("context", "scratch")
_SECRETS = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)",
    re.IGNORECASE,
)
_NO_SECRETS = re.compile(r"(?:_|^)public(?:_|$)", re.IGNORECASE)
_ADDRESSED = re.compile(r"\[?[\w.:\]]*:\d*(?:-\d+)?")


def check_program(
    program: Program,
    findings: Findings,
    *,
    arguments: Mapping[str, str],
    automatic: Mapping[str, str],
    ignored: IgnorePatterns,
) -> None:
    """Look at the whole file.

    Args:
        program: the file.
        findings: takes what is found.
        arguments: values that FROM lines see.
        automatic: platform arguments.
        ignored: patterns of the .dockerignore.
    """
    _check_casing(program, findings)
    for statement in program.file.statements:
        if statement.empty_lines:
            findings.add(
                Rule.NO_EMPTY_CONTINUATION,
                "Empty continuation line",
                statement,
                line=statement.end,
            )
    for arg in program.arguments:
        _check_arg(arg, findings)
    for stage in program.stages:
        _check_name(program, stage, findings)
        _check_origin(program, stage, findings, arguments)
        _check_default(program, stage, findings, automatic)
        _check_stage(stage, findings, ignored)


def _check_casing(program: Program, findings: Findings) -> None:
    statements = program.file.statements
    lower = sum(statement.name.islower() for statement in statements)
    upper = sum(statement.name.isupper() for statement in statements)
    wanted, spelled = ("lowercase", str.lower) if lower > upper else ("uppercase", str.upper)
    for statement in statements:
        if statement.name != spelled(statement.name):
            findings.add(
                Rule.CONSISTENT_INSTRUCTION_CASING,
                f"Command '{statement.name}' should match the case of the command majority "
                f"({wanted})",
                statement,
            )


def _check_name(program: Program, stage: Stage, findings: Findings) -> None:
    origin = stage.origin
    statement = origin.statement
    if not origin.name:
        return
    if origin.alias != origin.name:
        findings.add(
            Rule.STAGE_NAME_CASING, f"Stage name '{origin.alias}' should be lowercase", statement
        )
    if program.named(origin.name, before=stage.index) is not None:
        findings.add(
            Rule.DUPLICATE_STAGE_NAME,
            f"Duplicate stage name {go_quote(origin.alias)}, stage names should be unique",
            statement,
        )
    if origin.name in _RESERVED:
        findings.add(
            Rule.RESERVED_STAGE_NAME,
            f"Stage name should not use the same name as reserved stage {go_quote(origin.name)}",
            statement,
        )
    keyword, as_keyword = statement.name, origin.as_keyword
    is_same = as_keyword.islower() if keyword.islower() else as_keyword.isupper()
    if not is_same and (keyword.islower() or keyword.isupper()):
        findings.add(
            Rule.FROM_AS_CASING,
            f"'{as_keyword}' and '{keyword}' keywords' casing do not match",
            statement,
        )
    _check_description(statement, "stage", origin.alias, findings)


def _check_description(statement: Statement, what: str, name: str, findings: Findings) -> None:
    comment = statement.comments[-1] if statement.comments else ""
    if comment and comment.split(None, 1)[0] != name:
        findings.add(
            Rule.INVALID_DEFINITION_DESCRIPTION,
            f"Comment for {what} should follow the format: `# {name} <description>`",
            statement,
        )


def _check_origin(
    program: Program, stage: Stage, findings: Findings, arguments: Mapping[str, str]
) -> None:
    origin = stage.origin
    declared = {argument.name for arg in program.arguments for argument in arg.arguments}
    for text in (origin.base, origin.platform):
        expanded = _expanded(text, arguments, program.escape)
        for name in sorted(expanded.unmatched - declared) if expanded else ():
            near = nearest(name, [*declared, *arguments])
            suggestion = f" (did you mean {near}?)" if near else ""
            findings.add(
                Rule.UNDEFINED_ARG_IN_FROM,
                f"FROM argument '{name}' is not declared{suggestion}",
                origin.statement,
            )
    if origin.platform in ("$TARGETPLATFORM", "${TARGETPLATFORM}"):
        findings.add(
            Rule.REDUNDANT_TARGET_PLATFORM,
            f"Setting platform to predefined {origin.platform} in FROM is redundant as this is "
            "the default behavior",
            origin.statement,
        )
    if origin.platform and "$" not in origin.platform:
        parts = origin.platform.lower().split("/")
        if not any(part in origin.name for part in parts if part):
            findings.add(
                Rule.FROM_PLATFORM_FLAG_CONST_DISALLOWED,
                f"FROM --platform flag should not use constant value {go_quote(origin.platform)}",
                origin.statement,
            )


def _check_default(
    program: Program, stage: Stage, findings: Findings, automatic: Mapping[str, str]
) -> None:
    """With nothing but defaults, FROM should name something."""
    values = dict(automatic)
    for arg in program.arguments:
        for argument in arg.arguments:
            expanded = _expanded(argument.value or "", values, program.escape)
            values[argument.name] = expanded.text if expanded else ""
    origin = stage.origin
    expanded = _expanded(origin.base, values, program.escape)
    if "$" in origin.base and expanded and parse_familiar(expanded.text) is None:
        findings.add(
            Rule.INVALID_DEFAULT_ARG_IN_FROM,
            f"Default value for ARG {origin.base} results in empty or invalid base image name",
            origin.statement,
        )


def _expanded(text: str, values: Mapping[str, str], escape: str) -> Expanded | None:
    try:
        return expand(text, values, escape=escape)
    except DockerfileProblem:
        return None


def _check_stage(stage: Stage, findings: Findings, ignored: IgnorePatterns) -> None:
    last: dict[type, kinds.Written] = {}
    has_shell = False
    for instruction in stage.instructions:
        check = _CHECKS.get(type(instruction))
        if check is not None:
            check(instruction, findings)
        match instruction:
            case kinds.Copy():
                _check_copy(instruction, findings, ignored)
            case kinds.Shell():
                has_shell = True
            case kinds.Cmd() | kinds.Entrypoint():
                if not has_shell:
                    _check_form(instruction, findings)
                _check_single(instruction, last, findings)
            case kinds.HealthCheck():
                _check_single(instruction, last, findings)
            case _:
                pass


def _check_form(instruction: kinds.Cmd | kinds.Entrypoint, findings: Findings) -> None:
    if instruction.command.in_shell:
        findings.add(
            Rule.JSON_ARGS_RECOMMENDED,
            f"JSON arguments recommended for {instruction.statement.name.upper()} to prevent "
            "unintended behavior related to OS signals",
            instruction.statement,
        )


def _check_single(
    instruction: kinds.Written, last: dict[type, kinds.Written], findings: Findings
) -> None:
    earlier = last.get(type(instruction))
    last[type(instruction)] = instruction
    if earlier is not None:
        name = instruction.statement.name.upper()
        findings.add(
            Rule.MULTIPLE_INSTRUCTIONS_DISALLOWED,
            f"Multiple {name} instructions should not be used in the same stage because only the "
            "last one will be used",
            earlier.statement,
        )


def _check_copy(copy: kinds.Copy, findings: Findings, ignored: IgnorePatterns) -> None:
    if copy.from_ or ignored.is_empty:
        return
    for source in copy.sources:
        path = source.removeprefix("./").strip("/")
        if path and path != "." and not set(path) & set("*?[$") and ignored.excludes(path):
            verb = "Add" if copy.is_add else "Copy"
            findings.add(
                Rule.COPY_IGNORED_FILE,
                f"Attempting to {verb} file {go_quote(source)} that is excluded by .dockerignore",
                copy.statement,
            )


def _check_arg(arg: kinds.Arg, findings: Findings) -> None:
    for argument in arg.arguments:
        _check_secret("ARG", argument.name, arg.statement, findings)
    _check_description(arg.statement, "ARG", arg.arguments[0].name, findings)


def _check_secret(what: str, name: str, statement: Statement, findings: Findings) -> None:
    if _SECRETS.search(name) and not _NO_SECRETS.search(name):
        findings.add(
            Rule.SECRETS_USED_IN_ARG_OR_ENV,
            f"Do not use ARG or ENV instructions for sensitive data ({what} {go_quote(name)})",
            statement,
        )


def _check_env(env: kinds.Env, findings: Findings) -> None:
    for pair in env.pairs:
        _check_secret("ENV", pair.key, env.statement, findings)
    _check_pairs("ENV", env.pairs, env.statement, findings)


def _check_label(label: kinds.Label, findings: Findings) -> None:
    _check_pairs("LABEL", label.pairs, label.statement, findings)


def _check_pairs(
    name: str, pairs: list[kinds.KeyValue], statement: Statement, findings: Findings
) -> None:
    if any(pair.legacy for pair in pairs):
        findings.add(
            Rule.LEGACY_KEY_VALUE_FORMAT,
            f'"{name} key=value" should be used instead of legacy "{name} key value" format',
            statement,
        )


def _check_maintainer(maintainer: kinds.Maintainer, findings: Findings) -> None:
    findings.add(
        Rule.MAINTAINER_DEPRECATED,
        "Maintainer instruction is deprecated in favor of using label",
        maintainer.statement,
    )


def _check_expose(expose: kinds.Expose, findings: Findings) -> None:
    for word in expose.ports:
        port, _, protocol = word.partition("/")
        if protocol != protocol.lower() and "$" not in protocol:
            findings.add(
                Rule.EXPOSE_PROTO_CASING,
                f"Defined protocol '{word}' in EXPOSE instruction should be lowercase",
                expose.statement,
            )
        if _ADDRESSED.fullmatch(port):
            findings.add(
                Rule.EXPOSE_INVALID_FORMAT,
                "EXPOSE instruction should not define an IP address or host-port mapping, found "
                f"'{word}'",
                expose.statement,
            )


_CHECKS: dict[type, Callable[..., None]] = {
    kinds.Arg: _check_arg,
    kinds.Env: _check_env,
    kinds.Label: _check_label,
    kinds.Maintainer: _check_maintainer,
    kinds.Expose: _check_expose,
}
