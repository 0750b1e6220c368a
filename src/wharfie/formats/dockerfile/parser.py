"""Splits a Dockerfile into statements: comments go, continued lines are joined, heredocs collected.

Source: Dockerfile reference, "Format"; BuildKit frontend/dockerfile/parser for order and quirks.
"""

from __future__ import annotations

import re

from wharfie.formats.dockerfile.directives import find_directives
from wharfie.formats.dockerfile.heredocs import Heredoc, heredocs_in
from wharfie.formats.dockerfile.jsonform import json_words
from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.dockerfile.statement import DockerfileText, Statement
from wharfie.formats.dockerfile.words import BLANKS

MAX_DOCKERFILE = 4 << 20
MAX_LINE = 65535
MAX_STATEMENTS = 4096

_BOM = b"\xef\xbb\xbf"
_WITH_HEREDOCS = frozenset({"add", "copy", "run"})


def parse_dockerfile(data: bytes) -> DockerfileText:
    """Split a Dockerfile.

    Raises:
        DockerfileProblem: nothing in it, broken directives, an endless heredoc, or too large.
    """
    if len(data) > MAX_DOCKERFILE:
        raise DockerfileProblem(f"Dockerfile of more than {MAX_DOCKERFILE} bytes")
    text = data.removeprefix(_BOM).decode(errors="replace")
    raw = text.split("\n")
    ended = [f"{line}\n" for line in raw[:-1]] + ([raw[-1]] if raw[-1] else [])
    lines = [line.rstrip("\r\n") for line in ended]
    for number, line in enumerate(lines, 1):
        if len(line.encode()) > MAX_LINE:
            raise DockerfileProblem(
                f"dockerfile line greater than maximum allowed size of {MAX_LINE}", number
            )
    directives = find_directives(lines)
    reader = _Reader(lines, ended, directives.escape, start=directives.count)
    statements = reader.read()
    if not statements:
        raise DockerfileProblem("file with no instructions", len(lines))
    return DockerfileText(directives=directives, statements=statements, lines=lines)


def parse_statement(text: str, escape: str = "\\") -> Statement:
    """One statement from a text that is no file: an ONBUILD trigger, a `--change`.

    Its further lines are those of heredocs.

    Raises:
        DockerfileProblem: empty, several statements, or an endless heredoc.
    """
    ended = text.splitlines(keepends=True)
    lines = [line.rstrip("\r\n") for line in ended]
    statements = _Reader(lines, ended, escape, start=0).read()
    if len(statements) != 1:
        raise DockerfileProblem("file with no instructions" if not statements else "one at a time")
    return statements[0]


class _Reader:
    def __init__(self, lines: list[str], ended: list[str], escape: str, *, start: int) -> None:
        self._lines = lines
        self._ended = ended
        self._escape = escape
        self._continued = re.compile(rf"(^|[^{re.escape(escape)}]){re.escape(escape)}[ \t]*$")
        self._at = start

    def read(self) -> list[Statement]:
        statements: list[Statement] = []
        comments: list[str] = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if _is_comment(line):
                comment = line.strip()[1:].strip()
                comments = [*comments, comment] if comment else []
                self._at += 1
            elif not line.strip():
                comments = []
                self._at += 1
            else:
                statement = self._statement(comments)
                comments = []
                if statement is not None:
                    statements.append(statement)
            if len(statements) > MAX_STATEMENTS:
                raise DockerfileProblem(
                    f"Dockerfile of more than {MAX_STATEMENTS} instructions", self._at
                )
        return statements

    def _statement(self, comments: list[str]) -> Statement | None:
        first = self._at + 1
        indented = self._lines[self._at]
        text, empty_lines = self._joined()
        if not text.strip():
            return None
        try:
            name, flags, rest = split_command(text, self._escape)
            heredocs = self._heredocs(name, rest, text)
        except DockerfileProblem as problem:
            raise problem.at(first, self._at) from None
        return Statement(
            name=name,
            text=text,
            rest=rest,
            flags=flags,
            heredocs=heredocs,
            comments=comments,
            start=first,
            end=self._at,
            start_column=len(indented) - len(indented.lstrip()),
            end_column=len(self._lines[self._at - 1]),
            empty_lines=empty_lines,
        )

    def _joined(self) -> tuple[str, list[int]]:
        text, goes_on = self._cut(self._lines[self._at].lstrip())
        parts = [text]
        empty: list[int] = []
        self._at += 1
        while goes_on and self._at < len(self._lines):
            line = self._lines[self._at]
            self._at += 1
            if _is_comment(line):
                continue
            if not line.strip():
                empty.append(self._at)
                continue
            text, goes_on = self._cut(line)
            parts.append(text)
        return "".join(parts), empty

    def _cut(self, line: str) -> tuple[str, bool]:
        """A line without the mark that it goes on, and whether it does."""
        match = self._continued.search(line)
        return (line, False) if match is None else (line[: match.end(1)], True)

    def _heredocs(self, name: str, rest: str, text: str) -> list[Heredoc]:
        if "<<" not in text or not _takes_heredocs(name, rest):
            return []
        return [self._filled(heredoc) for heredoc in heredocs_in(text, self._escape)]

    def _filled(self, heredoc: Heredoc) -> Heredoc:
        content: list[str] = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            ended = self._ended[self._at]
            self._at += 1
            if (line.lstrip("\t") if heredoc.strips_tabs else line) == heredoc.name:
                return Heredoc(
                    name=heredoc.name,
                    content="".join(content),
                    is_expanded=heredoc.is_expanded,
                    strips_tabs=heredoc.strips_tabs,
                )
            content.append(ended)
        raise DockerfileProblem("unterminated heredoc")


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _takes_heredocs(name: str, rest: str) -> bool:
    keyword = name.lower()
    if keyword == "onbuild":
        name, _, rest = rest.partition(" ")
        keyword = name.lower()
    if keyword not in _WITH_HEREDOCS:
        return False
    try:
        return json_words(rest) is None
    except DockerfileProblem:
        return False


def split_command(text: str, escape: str) -> tuple[str, list[str], str]:
    """Name, flags and the rest of a joined line."""
    name, _, rest = _partition(text.strip())
    flags, rest = split_flags(rest, escape)
    return name, flags, rest.strip()


def _partition(text: str) -> tuple[str, str, str]:
    match = BLANKS.search(text)
    if match is None:
        return text, "", ""
    return text[: match.start()], match[0], text[match.end() :]


def split_flags(text: str, escape: str) -> tuple[list[str], str]:
    """Words with two dashes at the front, and what follows them; a bare `--` ends them."""
    flags: list[str] = []
    position = 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        if not text.startswith("--", position):
            return flags, text[position:]
        word, position = _flag(text, position, escape)
        if word == "--":
            return flags, text[position:]
        flags.append(word)


def _flag(text: str, position: int, escape: str) -> tuple[str, int]:
    """One flag; its quotes go, its escapes count."""
    word: list[str] = []
    quote = ""
    while position < len(text):
        char = text[position]
        if not quote and char.isspace():
            break
        position += 1
        if char == escape:
            if position < len(text):
                word.append(text[position])
            position += 1
        elif char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        else:
            word.append(char)
    return "".join(word), min(position, len(text))
