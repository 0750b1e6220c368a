"""Arguments of a build: who declares them, what their values are, who sees them.

    --build-arg  >  default of the ARG  >  the ARG of that name before the first FROM
    ENV of the same name hides an ARG, wherever it stands

Source: Dockerfile reference, "ARG", "Predefined ARGs", "Automatic platform ARGs".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wharfie.build.frontend.platforms import format_platform
from wharfie.build.frontend.program import Program
from wharfie.formats.dockerfile.expansion import expand
from wharfie.formats.dockerfile.instructions import Arg
from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.oci.descriptor import Platform
from wharfie.model.build.plan import FrontendRequest

PROXIES = frozenset(
    name
    for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for name in (proxy, proxy.lower())
)
"""Arguments that no ARG has to declare, and that leave no trace in the image."""

_UNDECLARED = ("BUILDKIT_", "SOURCE_DATE_EPOCH")


def platform_arguments(target: Platform, host: Platform, stage: str) -> dict[str, str]:
    """The arguments a build has by itself, once an ARG names them."""
    values: dict[str, str] = {}
    for prefix, platform in (("TARGET", target), ("BUILD", host)):
        values[f"{prefix}PLATFORM"] = format_platform(platform)
        values[f"{prefix}OS"] = platform.os
        values[f"{prefix}OSVERSION"] = platform.os_version
        values[f"{prefix}ARCH"] = platform.architecture
        values[f"{prefix}VARIANT"] = platform.variant
    return {**values, "TARGETSTAGE": stage or "default"}


def given_arguments(request: FrontendRequest) -> dict[str, str]:
    """`--build-arg` with values."""
    given = {name: value for name, value in request.arguments.items() if value is not None}
    if request.epoch is not None:
        given.setdefault("SOURCE_DATE_EPOCH", str(request.epoch))
    return given


def global_arguments(
    program: Program, automatic: Mapping[str, str], given: Mapping[str, str]
) -> dict[str, str]:
    """Values that FROM lines see: the ARGs before the first one, and the automatic ones.

    Raises:
        DockerfileError: a default cannot be expanded.
    """
    values = dict(automatic)
    for name in automatic:
        if name in given:
            values[name] = given[name]
    for declaration in program.arguments:
        for argument in declaration.arguments:
            value = given.get(argument.name)
            if value is None and argument.value is not None:
                try:
                    value = expand(argument.value, values, escape=program.escape).text
                except DockerfileProblem as problem:
                    statement = declaration.statement
                    raise program.error(str(problem), statement.start, statement.end) from None
            if value is not None:
                values[argument.name] = value
    return values


def unused_arguments(program: Program, request: FrontendRequest) -> list[str]:
    """`--build-arg` names that no ARG of the file declares."""
    declared = {argument.name for arg in _declarations(program) for argument in arg.arguments}
    return sorted(
        name
        for name in request.arguments
        if name not in declared and name not in PROXIES and not name.startswith(_UNDECLARED)
    )


def _declarations(program: Program) -> Iterator[Arg]:
    yield from program.arguments
    for stage in program.stages:
        for instruction in stage.instructions:
            if isinstance(instruction, Arg):
                yield instruction


class ArgumentScope:
    """Arguments declared so far in one stage."""

    def __init__(
        self,
        given: Mapping[str, str],
        outer: Mapping[str, str],
        inherited: Mapping[str, str | None],
    ) -> None:
        """Begin a stage.

        Args:
            given: `--build-arg` with values.
            outer: global arguments.
            inherited: declared by the stage this one stands on.
        """
        self._given = given
        self._outer = outer
        self._declared = dict(inherited)

    @property
    def declared(self) -> Mapping[str, str | None]:
        """Arguments declared so far, None for those without a value."""
        return dict(self._declared)

    def declare(self, name: str, default: str | None, *, keeps: bool = False) -> str | None:
        """Declare an argument; returns the value it gets thereby.

        Args:
            name: of the argument.
            default: None for none.
            keeps: without any value it keeps the one it had, as BuildKit has it.
        """
        value = self._given.get(name, default)
        if value is None:
            value = self._outer.get(name)
        self._declared[name] = self._declared.get(name) if value is None and keeps else value
        return value

    def is_declared(self, name: str) -> bool:
        """Whether an ARG of this stage names it."""
        return name in self._declared

    def values(self) -> dict[str, str]:
        """Arguments with a value, in the order of their declaration."""
        return {name: value for name, value in self._declared.items() if value is not None}

    def proxies(self) -> list[str]:
        """Proxy variables ("K=V") that were given and not declared."""
        return [
            f"{name}={value}"
            for name, value in sorted(self._given.items())
            if name in PROXIES and name not in self._declared
        ]
