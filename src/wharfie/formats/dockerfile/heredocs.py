"""Heredocs of RUN, COPY and ADD: `<<EOF`, `<<-EOF` (leading tabs go), `<<"EOF"` (no expansion).

Source: Dockerfile reference, "Here-Documents".
"""

from __future__ import annotations

import re

from msgspec import Struct

from wharfie.formats.dockerfile.expansion import Keep, expand
from wharfie.formats.dockerfile.problem import DockerfileProblem

_MARK = re.compile(r"(\d*)<<(-?)([^<]*)", re.ASCII | re.DOTALL)
_TABS = re.compile(r"^\t+", re.MULTILINE)
_RAW = Keep.QUOTES | Keep.ESCAPES | Keep.UNSET
MAX_HEREDOCS = 100


class Heredoc(Struct, frozen=True, kw_only=True):
    """One heredoc.

    Attributes:
        name: its delimiter, without quotes.
        content: its lines, as they stand in the file.
        is_expanded: the delimiter came unquoted.
        strips_tabs: it began with `<<-`.
    """

    name: str
    content: str = ""
    is_expanded: bool = True
    strips_tabs: bool = False

    @property
    def text(self) -> str:
        """The lines as they are meant."""
        return _TABS.sub("", self.content) if self.strips_tabs else self.content


def heredoc_of(word: str) -> Heredoc | None:
    """What a word announces, None where it announces nothing."""
    match = _MARK.fullmatch(word)
    if match is None or not match[3]:
        return None
    try:
        words = expand(match[3], {}, keep=Keep.UNSET).words
    except DockerfileProblem:
        return None
    if len(words) != 1:
        return None
    return Heredoc(name=words[0], is_expanded=words[0] == match[3], strips_tabs=match[2] == "-")


def heredocs_in(line: str, escape: str) -> list[Heredoc]:
    """Those a line announces, in order.

    Raises:
        DockerfileProblem: broken quotes, or absurdly many.
    """
    words = expand(line, {}, escape=escape, keep=_RAW).words
    found = [heredoc for heredoc in map(heredoc_of, words) if heredoc is not None]
    if len(found) > MAX_HEREDOCS:
        raise DockerfileProblem(f"an instruction of more than {MAX_HEREDOCS} heredocs")
    return found
