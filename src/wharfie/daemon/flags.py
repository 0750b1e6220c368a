"""The daemon's command line: pflag's grammar over the table of options.

`--name=value`, `--name value`, `-H value`, `-Hvalue`, `-D`, `--debug=false`; lists repeat.
"""

from __future__ import annotations

from collections.abc import Sequence

from wharfie.daemon.options import BY_FLAG, BY_SHORT, OPTIONS, Kind, Option, Value, Values

_TRUE = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE = {"0", "f", "F", "false", "FALSE", "False"}


class UsageError(Exception):
    """The command line is wrong; the text is for the user."""


def parse_flags(arguments: Sequence[str]) -> Values:
    """Parse a command line without the program name.

    Raises:
        UsageError: unknown flag, missing or bad value, or a stray argument.
    """
    values: Values = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word.startswith("--") and len(word) > 2:
            name, equals, text = word[2:].partition("=")
            option = BY_FLAG.get(name)
            if option is None:
                raise UsageError(f"unknown flag: --{name}")
            _set(values, option, _value(option, text if equals else None, rest))
        elif word.startswith("-") and len(word) > 1:
            _parse_short(word[1:], values, rest)
        else:
            raise UsageError(f'"wharfied" accepts no arguments: {word}')
    return values


def _parse_short(letters: str, values: Values, rest: list[str]) -> None:
    while letters:
        option = BY_SHORT.get(letters[0])
        if option is None:
            raise UsageError(f"unknown shorthand flag: '{letters[0]}' in -{letters}")
        following = letters[1:]
        if option.kind is Kind.BOOL and not following.startswith("="):
            _set(values, option, True)
            letters = following
            continue
        given = following.removeprefix("=") if following else None
        _set(values, option, _value(option, given, rest))
        return


def _value(option: Option, text: str | None, rest: list[str]) -> Value:
    if text is None:
        if option.kind is Kind.BOOL:
            return True
        if not rest:
            raise UsageError(f"flag needs an argument: --{option.flag}")
        text = rest.pop(0)
    return _convert(option, text)


def _convert(option: Option, text: str) -> Value:
    match option.kind:
        case Kind.BOOL if text in _TRUE | _FALSE:
            return text in _TRUE
        case Kind.INTEGER if text.lstrip("+-").isdecimal():
            return int(text)
        case Kind.MAP if "=" in text.lstrip("="):
            key, _, value = text.partition("=")
            return {key: value}
        case Kind.LIST:
            return [text]
        case Kind.STRING:
            return text
        case Kind.BOOL | Kind.INTEGER | Kind.MAP:
            expected = {Kind.BOOL: "true or false", Kind.INTEGER: "a number"}
            raise UsageError(
                f'invalid argument "{text}" for "--{option.flag}" flag: '
                f"it must be {expected.get(option.kind, 'key=value')}"
            )


def _set(values: Values, option: Option, value: Value) -> None:
    before = values.get(option.flag)
    if isinstance(before, list) and isinstance(value, list):
        before.extend(value)
    elif isinstance(before, dict) and isinstance(value, dict):
        before.update(value)
    else:
        values[option.flag] = value


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
