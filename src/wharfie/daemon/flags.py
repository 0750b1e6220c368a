"""The daemon's command line: pflag's grammar (`formats.pflag`) over the table of options.

`--name=value`, `--name value`, `-H value`, `-Hvalue`, `-D`, `--debug=false`; lists repeat.
"""

from __future__ import annotations

from collections.abc import Sequence

from wharfie.daemon.options import OPTIONS, Kind, Option, Value, Values
from wharfie.formats import pflag


class UsageError(Exception):
    """The command line is wrong; the text is for the user."""


def parse_flags(arguments: Sequence[str]) -> Values:
    """Parse a command line without the program name; only what was given is in the result.

    Raises:
        UsageError: unknown flag, missing or bad value, or a stray argument.
    """
    flags = {
        option.flag: pflag.Flag(option.flag, option.short, option.kind.value, "", hidden=False)
        for option in OPTIONS
        if option.flag
    }
    checks = {option.flag: _pair for option in OPTIONS if option.kind is Kind.MAP}
    try:
        read = pflag.Parser(flags, checks=checks).parse(list(arguments))
    except pflag.HelpWanted:
        return {"help": True}
    except pflag.UsageProblem as problem:
        raise UsageError(str(problem)) from None
    if read.args:
        raise UsageError(f'"wharfied" accepts no arguments: {read.args[0]}')
    return {
        option.flag: _value(read, option)
        for option in OPTIONS
        if option.flag and read.has(option.flag)
    }


def _pair(text: str) -> str:
    if "=" not in text.lstrip("="):
        raise ValueError("it must be key=value")
    return text


def _value(read: pflag.Values, option: Option) -> Value:
    match option.kind:
        case Kind.BOOL:
            return read.on(option.flag)
        case Kind.STRING:
            return read.text(option.flag)
        case Kind.INTEGER:
            return read.number(option.flag)
        case Kind.LIST:
            return read.items(option.flag)
        case Kind.MAP:
            return read.pairs(option.flag)


def usage(program: str) -> str:
    """The text of --help."""
    lines = [
        f"Usage:  {program} [OPTIONS]",
        "",
        "A container engine that speaks the Docker Engine API.",
        "",
        "Options:",
    ]
    for option in OPTIONS:
        if not option.flag:
            continue
        short = f"-{option.short}, " if option.short else "    "
        kind = "" if option.kind is Kind.BOOL else f" {option.placeholder or option.kind.value}"
        lines.append(f"  {short}--{option.flag + kind:<28} {option.help}")
    return "\n".join(lines)
