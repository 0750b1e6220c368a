"""`--change` of import and commit: single Dockerfile instructions applied to a config.

Source: Engine API, ImageCreate and ImageCommit, parameter `changes`; behaviours 123.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from wharfie.engine.images.making.instructions import (
    Variables,
    apply_instruction,
    environment,
)
from wharfie.formats.dockerfile.instructions import Cmd, Entrypoint
from wharfie.formats.dockerfile.parser import parse_dockerfile
from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.dockerfile.reading import read_instruction
from wharfie.model.errors import InvalidArgument
from wharfie.model.image import ImageConfig


def apply_changes(config: ImageConfig, changes: Sequence[str]) -> ImageConfig:
    """The config after every instruction, in order.

    Raises:
        InvalidArgument: an unknown instruction or malformed arguments.
    """
    text = "\n".join(changes)
    if not text.strip():
        return config
    try:
        return _applied(config, text)
    except DockerfileProblem as problem:
        where = f"dockerfile parse error on line {problem.start}: " if problem.start else ""
        raise InvalidArgument(f"{where}{problem}") from None


def _applied(config: ImageConfig, text: str) -> ImageConfig:
    file = parse_dockerfile(text.encode())
    escape = file.directives.escape
    instructions = [read_instruction(statement, escape) for statement in file.statements]
    has_command = False
    for instruction in instructions:
        config = apply_instruction(
            instruction, config, Variables(environment(config), escape=escape)
        )
        has_command = has_command or isinstance(instruction, Cmd)
        if isinstance(instruction, Entrypoint) and not has_command:
            # As in a Dockerfile: the command was meant for another entrypoint.
            config = structs.replace(config, cmd=None)
    return config
