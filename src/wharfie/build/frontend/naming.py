"""How progress calls the steps of a stage: `[build 2/5] RUN make`.

Source: BuildKit's progress output.
"""

from __future__ import annotations

from contextlib import suppress

from wharfie.build.frontend.program import Stage
from wharfie.formats.dockerfile import instructions as kinds
from wharfie.formats.dockerfile.expansion import Keep, expand
from wharfie.formats.dockerfile.heredocs import heredoc_of
from wharfie.formats.dockerfile.problem import DockerfileProblem

_MAX_NAME = 1000
_SHOWN = Keep.QUOTES | Keep.UNSET


class StepNames:
    """Numbers the steps of one stage."""

    def __init__(
        self, stage: Stage, triggers: int, *, is_alone: bool, platform: str, has_source: bool
    ) -> None:
        """Begin counting.

        Args:
            stage: whose steps they are.
            triggers: ONBUILD instructions done first.
            is_alone: the only stage of the file.
            platform: told where it is not the build's, "" otherwise.
            has_source: the stage begins with an image or another tree, which counts.
        """
        words = [platform, "" if is_alone else stage.name]
        self._prefix = "".join(f"{word} " for word in words if word)
        self._count = 0
        self._total = triggers + sum(
            isinstance(instruction, kinds.Run | kinds.Copy | kinds.Workdir)
            for instruction in stage.instructions
        )
        self._total += has_source

    def next(self, text: str) -> str:
        """The name of the next step."""
        self._count += 1
        width = len(str(self._total))
        return f"[{self._prefix}{self._count:>{width}}/{self._total}] {text[:_MAX_NAME]}"


def shown(
    instruction: kinds.Run | kinds.Copy | kinds.Workdir,
    variables: dict[str, str],
    escape: str,
) -> str:
    """The instruction on one line, variables that are set expanded."""
    statement = instruction.statement
    name, _, rest = statement.text.strip().partition(" ")
    text = f"{name.upper()} {rest}"
    is_script = isinstance(instruction, kinds.Run) and heredoc_of(statement.rest) is not None
    if is_script and statement.heredocs:
        text += f" ({_summary(statement.heredocs[0].content)})"
    with suppress(DockerfileProblem):
        text = expand(text, variables, escape=escape, keep=_SHOWN).text
    return text


def _summary(content: str) -> str:
    lines = content.strip().split("\n")
    return f"{lines[0].strip()}..." if len(lines) > 1 else lines[0].strip()
