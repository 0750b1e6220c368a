"""A Dockerfile as a program: arguments before the first stage, then stages of instructions."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from wharfie.formats.dockerfile import instructions as kinds
from wharfie.formats.dockerfile.parser import parse_dockerfile
from wharfie.formats.dockerfile.problem import DockerfileProblem, excerpt
from wharfie.formats.dockerfile.reading import read_instruction
from wharfie.formats.dockerfile.statement import DockerfileText, Statement
from wharfie.model.build.errors import DockerfileError
from wharfie.model.build.plan import HistoryForm, SourceRange


class Stage(Struct, frozen=True, kw_only=True):
    """A FROM and what follows it."""

    index: int
    origin: kinds.From
    instructions: list[kinds.AnyInstruction]

    @property
    def name(self) -> str:
        """Its name, or how progress calls one without."""
        return self.origin.name or f"stage-{self.index}"


class Program(Struct, frozen=True, kw_only=True):
    """All of a Dockerfile.

    Attributes:
        arguments: ARGs before the first FROM.
        is_classic: problems are told in the words of the classic builder.
    """

    filename: str
    file: DockerfileText
    arguments: list[kinds.Arg]
    stages: list[Stage]
    is_classic: bool = True

    @property
    def escape(self) -> str:
        """The escape character."""
        return self.file.directives.escape

    def named(self, name: str, *, before: int | None = None) -> Stage | None:
        """The last stage of a name, in the file or before a stage."""
        wanted = name.lower()
        for stage in reversed(self.stages[:before]):
            if stage.origin.name == wanted:
                return stage
        return None

    def error(self, message: str, start: int, end: int = 0) -> DockerfileError:
        """An error at these lines."""
        return located_error(self.filename, self.file.lines, message, start, end or start)


def located_error(
    filename: str,
    lines: Sequence[str],
    message: str,
    start: int,
    end: int,
    *,
    is_syntax: bool = False,
) -> DockerfileError:
    """An error with its place; without one where `start` is 0."""
    location = SourceRange(start, end) if start else None
    return DockerfileError(
        message,
        location=location,
        excerpt=excerpt(filename, lines, start, end),
        is_syntax=is_syntax,
    )


def range_of(statement: Statement) -> SourceRange:
    """Where a statement stands."""
    return SourceRange(statement.start, statement.end, statement.start_column, statement.end_column)


def read_program(data: bytes, filename: str, form: HistoryForm) -> Program:
    """Read a Dockerfile.

    Raises:
        DockerfileError: in the words of the classic builder or of BuildKit.
    """
    reader = _Reader(data, filename, is_classic=form is HistoryForm.CLASSIC)
    return reader.read()


class _Reader:
    def __init__(self, data: bytes, filename: str, *, is_classic: bool) -> None:
        self._data = data
        self._filename = filename
        self._is_classic = is_classic

    def read(self) -> Program:
        if not self._data:
            where = f" ({self._filename})" if self._is_classic else ""
            raise self._error(f"the Dockerfile{where} cannot be empty")
        try:
            file = parse_dockerfile(self._data)
        except DockerfileProblem as problem:
            raise self._unparsed(problem) from None
        arguments: list[kinds.Arg] = []
        stages: list[Stage] = []
        for instruction in self._instructions(file):
            statement = instruction.statement
            if isinstance(instruction, kinds.From):
                stages.append(Stage(index=len(stages), origin=instruction, instructions=[]))
            elif stages:
                stages[-1].instructions.append(instruction)
            elif isinstance(instruction, kinds.Arg):
                arguments.append(instruction)
            else:
                raise self._error(
                    "no build stage in current context", statement.start, statement.end
                )
        if not stages:
            raise self._error("dockerfile contains no stages to build")
        return Program(
            filename=self._filename,
            file=file,
            arguments=arguments,
            stages=stages,
            is_classic=self._is_classic,
        )

    def _instructions(self, file: DockerfileText) -> list[kinds.AnyInstruction]:
        """All of them; broken grammar anywhere is told before broken rules."""
        instructions: list[kinds.AnyInstruction] = []
        first: DockerfileProblem | None = None
        for statement in file.statements:
            try:
                instructions.append(read_instruction(statement, file.directives.escape))
            except DockerfileProblem as problem:
                if problem.is_grammar:
                    raise self._unparsed(problem) from None
                first = first or problem
        if first is not None:
            raise self._error(
                f"dockerfile parse error on line {first.start}: {first}", first.start, first.end
            )
        return instructions

    def _unparsed(self, problem: DockerfileProblem) -> DockerfileError:
        prefix = "failed to parse Dockerfile: " if self._is_classic else ""
        return self._error(f"{prefix}{problem}", problem.start, problem.end)

    def _error(self, message: str, start: int = 0, end: int = 0) -> DockerfileError:
        lines = self._data.decode(errors="replace").split("\n")
        return located_error(self._filename, lines, message, start, end, is_syntax=True)
