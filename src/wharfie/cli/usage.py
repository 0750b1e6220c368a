"""Help texts and usage lines."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from wharfie.cli.command import Command
    from wharfie.formats.pflag import Flag

_SLOP = 5
_NARROW = 24


def terminal_width() -> int:
    """Return the columns of the terminal on stdout, 80 when there is none."""
    try:
        return os.get_terminal_size(1).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80


def usage_line(path: str, command: Command) -> str:
    """Return what stands behind `Usage:  `."""
    options = " [OPTIONS]" if any(not flag.hidden for flag in command.declared().values()) else ""
    lines = [f"{path}{options}{' ' + form if form else ''}" for form in command.forms]
    return "\n\t".join(lines)


def command_help(prog: str, path: str, command: Command, width: int) -> str:
    """Return the help of a command."""
    parts = [f"Usage:  {usage_line(path, command)}", command.long or command.short]
    if command.aliases:
        names = ", ".join(f"{prog} {alias}" for alias in command.aliases)
        parts.append(f"Aliases:\n  {names}")
    shown = flag_table(command.declared().values(), width)
    if shown:
        parts.append(f"Options:\n{shown}")
    return "\n\n".join(parts) + "\n"


def flag_table(flags: Iterable[Flag], width: int) -> str:
    """Return the lines of a flag table, wrapped for a terminal of `width` columns."""
    rows: list[tuple[str, str]] = []
    for flag in sorted(flags, key=lambda flag: flag.name):
        if not flag.hidden:
            short = f"-{flag.short}, " if flag.short else "    "
            kind = "" if flag.kind == "bool" else " " + flag.kind
            rows.append((f"  {short}--{flag.name}{kind}", flag.usage))
    if not rows:
        return ""
    indent = max(len(head) for head, _ in rows) + 3
    return "\n".join(head.ljust(indent) + wrap(text, indent, width - 1) for head, text in rows)


def wrap(text: str, indent: int, width: int) -> str:
    """Break a text into lines that begin at column `indent` and end before `width`.

    A last line may run five columns further than the others, so that no single short word is
    left over; a text that would have under 24 columns stands as a block on lines of its own.
    """
    room = width - indent
    lead = ""
    if room < _NARROW:
        indent = 16
        room = width - indent
        lead = "\n" + " " * indent
        if room < _NARROW:
            return text.replace("\n", lead)
    lines: list[str] = []
    rest = text
    while rest or not lines:
        line, rest = _first_line(rest, room - _SLOP)
        lines += line.split("\n")
    return lead + ("\n" + " " * indent).join(lines)


def _first_line(text: str, limit: int) -> tuple[str, str]:
    if limit + _SLOP > len(text):
        return text, ""
    head = text[:limit]
    cut = max(head.rfind(" "), head.rfind("\t"), head.rfind("\n"))
    if cut <= 0:
        return text, ""
    newline = head.rfind("\n")
    if 0 < newline < cut:
        cut = newline
    return text[:cut], text[cut + 1 :]
