"""The daemon's command line: pflag's grammar over the table of options.

`--name=value`, `--name value`, `-H value`, `-Hvalue`, `-D`, `--debug=false`; lists and maps repeat.
Values come out shaped as they are in the config file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wharfie.daemon.config.options import BY_FLAG, BY_SHORT, OPTIONS, Kind, Option, Values
from wharfie.daemon.config.values import parse_address, parse_bytes

_TRUE = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE = {"0", "f", "F", "false", "FALSE", "False"}


class UsageError(Exception):
    """The command line is wrong; the text is for the user."""


def parse_flags(arguments: Sequence[str], program: str = "wharfied") -> Values:
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
            raise UsageError(f'"{program}" accepts no arguments: {word}')
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


def _value(option: Option, text: str | None, rest: list[str]) -> object:
    if text is None:
        if option.kind is Kind.BOOL:
            return True
        if not rest:
            short = f"'{option.short}' in -{option.short}" if option.short else ""
            raise UsageError(f"flag needs an argument: {short or '--' + option.flag}")
        text = rest.pop(0)
    try:
        return _READERS[option.kind](text)
    except ValueError as error:
        name = f"-{option.short}, --{option.flag}" if option.short else f"--{option.flag}"
        raise UsageError(f'invalid argument "{text}" for "{name}" flag: {error}') from None


def _boolean(text: str) -> bool:
    if text not in _TRUE | _FALSE:
        raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')
    return text in _TRUE


def _integer(text: str) -> int:
    if not (text.isascii() and text.lstrip("+-").isdecimal()):
        raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _size(text: str) -> str:
    parse_bytes(text)
    return text


def _address(text: str) -> str:
    if text:
        parse_address(text)
    return text


def _addresses(text: str) -> list[str]:
    return [_address(part.strip()) for part in text.split(",")]


def _map(text: str) -> dict[str, str]:
    key, _, value = text.partition("=")
    return {key: value}


def _switches(text: str) -> dict[str, bool]:
    key, sign, value = text.partition("=")
    return {key: _boolean(value) if sign else True}


def _runtime(text: str) -> dict[str, dict[str, str]]:
    name, sign, path = text.partition("=")
    if not (name.strip() and sign and path.strip()):
        raise ValueError(f"invalid runtime argument: {text}")
    return {name.strip().lower(): {"path": path.strip()}}


def _ulimit(text: str) -> dict[str, dict[str, object]]:
    name, sign, limits = text.partition("=")
    if not (name and sign):
        raise ValueError(f"invalid ulimit argument: {text}")
    soft, _, hard = limits.partition(":")
    values = [_integer(part) for part in (soft, hard) if part]
    if not values:
        raise ValueError(f"invalid ulimit argument: {text}")
    return {name: {"Name": name, "Soft": values[0], "Hard": values[-1]}}


def _pool(text: str) -> list[dict[str, object]]:
    pool: dict[str, object] = {}
    for part in text.split(","):
        key, sign, value = part.partition("=")
        if not sign:
            raise ValueError(f"invalid field '{part}' must be a key=value pair")
        if key.lower() not in ("base", "size"):
            raise ValueError(f"unexpected key '{key}' in '{part}'")
        pool[key.lower()] = _integer(value) if key.lower() == "size" else value
    return [pool]


def _network_option(text: str) -> dict[str, dict[str, str]]:
    driver, sign, option = text.partition("=")
    key, second, value = option.partition("=")
    if not (sign and second):
        raise ValueError(f'invalid value "{text}" for map option, should be root-key=key=value')
    return {driver: {key: value}}


def _not_a_flag(text: str) -> object:
    raise ValueError(f"only the configuration file sets this, not {text}")


def _text(text: str) -> str:
    return text


def _list(text: str) -> list[str]:
    return [text]


_READERS: dict[Kind, Callable[[str], object]] = {
    Kind.BOOL: _boolean,
    Kind.STRING: _text,
    Kind.INTEGER: _integer,
    Kind.SIZE: _size,
    Kind.ADDRESS: _address,
    Kind.LIST: _list,
    Kind.ADDRESSES: _addresses,
    Kind.MAP: _map,
    Kind.SWITCHES: _switches,
    Kind.RUNTIMES: _runtime,
    Kind.ULIMITS: _ulimit,
    Kind.POOLS: _pool,
    Kind.NETWORK_OPTIONS: _network_option,
    Kind.OBJECT: _not_a_flag,
}


def _set(values: Values, option: Option, value: object) -> None:
    before = values.get(option.name)
    if isinstance(before, list) and isinstance(value, list):
        before.extend(value)
    elif isinstance(before, dict) and isinstance(value, dict):
        for key, item in value.items():
            inner = before.get(key)
            if option.kind is Kind.NETWORK_OPTIONS and isinstance(inner, dict):
                inner.update(item)
            else:
                before[key] = item
    else:
        values[option.name] = value


def usage(program: str) -> str:
    """The text of --help."""
    lines = [
        "",
        f"Usage:  {program} [OPTIONS]",
        f"        {program} config explain [OPTIONS]",
        "",
        "A container engine that speaks the Docker Engine API.",
        "",
        "Options:",
    ]
    for option in sorted(OPTIONS, key=lambda option: option.flag):
        if not (option.flag and option.shown):
            continue
        short = f"-{option.short}, " if option.short else "    "
        kind = "" if option.kind is Kind.BOOL else f" {option.kind.value}"
        default = f" (default {_spell(option.default)})" if option.default else ""
        lines.append(f"  {short}--{option.flag + kind:<34} {option.help}{default}")
    return "\n".join(lines)


def _spell(default: object) -> str:
    match default:
        case bool():
            return str(default).lower()
        case str():
            return f'"{default}"'
        case tuple():
            return f"[{','.join(default)}]"
        case _:
            return str(default)
