"""Which stages and images a stage needs, before anything of it is planned.

Names in `FROM`, `COPY --from` and `RUN --mount=from=` are stages of the file, named contexts of
the caller, or images; numbers are stages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wharfie.build.frontend.program import Program, Stage
from wharfie.formats.dockerfile import instructions as kinds
from wharfie.formats.dockerfile.mounts import parse_mount
from wharfie.formats.dockerfile.problem import DockerfileProblem

MAX_STAGES = 1000


def foreign_names(instructions: Iterable[kinds.AnyInstruction]) -> Iterator[tuple[str, int, int]]:
    """Every `from` of COPY and RUN, with its lines.

    Raises:
        DockerfileProblem: one holds a variable.
    """
    for instruction in instructions:
        statement = instruction.statement
        if isinstance(instruction, kinds.Copy) and instruction.from_:
            names = [instruction.from_]
        elif isinstance(instruction, kinds.Run):
            try:
                names = [parse_mount(mount).from_ for mount in instruction.mounts]
            except DockerfileProblem as problem:
                raise problem.at(statement.start, statement.end) from None
        else:
            continue
        for name in filter(None, names):
            if "$" in name:
                raise DockerfileProblem(
                    "variable expansion is not supported for --from, define a new stage with FROM "
                    "using ARG from global scope as a workaround",
                    statement.start,
                    statement.end,
                )
            yield name, statement.start, statement.end


def find_stage(program: Program, name: str, *, start: int, end: int) -> Stage | None:
    """The stage a `from` names, None where it names something else.

    Raises:
        DockerfileError: a number that no stage has.
    """
    if name.isascii() and name.isdigit():
        index = int(name) if len(name) < 6 else len(program.stages)
        if index >= len(program.stages):
            raise program.error(
                f"invalid from flag value {name[:80]}: index out of bounds"
                if program.is_classic
                else f"invalid stage index {name[:80]}",
                start,
                end,
            )
        return program.stages[index]
    return program.named(name)


def ordered(program: Program, target: Stage, needs: dict[int, set[int]]) -> list[Stage]:
    """Stages the target needs, each behind those it needs itself.

    Raises:
        DockerfileError: one needs itself.
    """
    done: dict[int, bool] = {}
    order: list[Stage] = []
    pending: list[tuple[int, bool]] = [(target.index, False)]
    while pending:
        index, is_left = pending.pop()
        stage = program.stages[index]
        if is_left:
            done[index] = True
            order.append(stage)
            continue
        if index in done:
            if not done[index]:
                statement = stage.origin.statement
                raise program.error(
                    f"circular dependency detected on stage: {stage.origin.name or index}",
                    statement.start,
                    statement.end,
                )
            continue
        done[index] = False
        pending.append((index, True))
        pending += (
            (need, False)
            for need in sorted(needs.get(index, ()), reverse=True)
            if not done.get(need)
        )
    return order
