"""The help pages that list commands: the root's and those of the groups."""

from __future__ import annotations

from wharfie.cli.commands import ALIASES, COMMON, GROUPS, HIDDEN, TABLE
from wharfie.cli.usage import flag_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from wharfie.formats.pflag import Flag

_COLUMN = 12


def _lines(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"  {name.ljust(_COLUMN - 1)} {summary}" for name, summary in pairs)


def _summary(word: str) -> str:
    return TABLE[ALIASES.get(word, word)][2]


def root_help(prog: str, flags: Iterable[Flag], width: int) -> str:
    """Return the help of the program."""
    single = sorted(
        word
        for word in {*ALIASES, *TABLE}
        if " " not in word and word not in COMMON and word not in GROUPS
    )
    parts = [
        f"Usage:  {prog} [OPTIONS] COMMAND",
        "A self-sufficient runtime for containers",
        "Common Commands:\n" + _lines((word, _summary(word)) for word in COMMON),
        "Management Commands:\n" + _lines(sorted(GROUPS.items())),
        "Commands:\n" + _lines((word, _summary(word)) for word in single),
        "Global Options:\n" + flag_table(flags, width),
        f"Run '{prog} COMMAND --help' for more information on a command.",
    ]
    return "\n\n".join(parts) + "\n"


def group_help(prog: str, group: str) -> str:
    """Return the help of a group."""
    rows = sorted(
        (path.split(" ", 1)[1], row[2])
        for path, row in TABLE.items()
        if path.startswith(group + " ") and path not in HIDDEN
    )
    lines = _lines(rows)
    return (
        f"Usage:  {prog} {group} COMMAND\n\n{GROUPS[group]}\n\nCommands:\n{lines}\n\n"
        f"Run '{prog} {group} COMMAND --help' for more information on a command.\n"
    )
