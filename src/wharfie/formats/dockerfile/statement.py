"""Statements: the lines of a Dockerfile joined, before anybody knows what they mean."""

from __future__ import annotations

from msgspec import Struct, field

from wharfie.formats.dockerfile.directives import Directives
from wharfie.formats.dockerfile.heredocs import Heredoc


class Statement(Struct, frozen=True, kw_only=True):
    """One instruction as it is written.

    Attributes:
        name: its first word, in its own case.
        text: the joined line.
        rest: behind the name and the flags.
        flags: `--name=value` words between both.
        comments: lines before it.
        start, end: lines, counted from 1; the heredocs are included.
        start_column, end_column: of the first character, and behind the last.
        empty_lines: numbers of empty lines that it goes on over.
    """

    name: str
    text: str
    rest: str
    flags: list[str] = field(default_factory=list)
    heredocs: list[Heredoc] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    start: int = 0
    end: int = 0
    start_column: int = 0
    end_column: int = 0
    empty_lines: list[int] = field(default_factory=list)

    @property
    def keyword(self) -> str:
        """The name in lower case, by which it is known."""
        return self.name.lower()


class DockerfileText(Struct, frozen=True, kw_only=True):
    """A Dockerfile split into statements.

    Attributes:
        lines: of the file, for excerpts.
    """

    directives: Directives
    statements: list[Statement]
    lines: list[str]
