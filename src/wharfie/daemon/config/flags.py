"""The daemon's command line: pflag's grammar (`formats.pflag`) over the table of options.

`--name=value`, `--name value`, `-H value`, `-Hvalue`, `-D`, `--debug=false`; lists and maps repeat.
Values come out shaped as they are in the config file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wharfie.daemon.config.options import OPTIONS, Kind, Option, Values
from wharfie.daemon.config.values import parse_address, parse_bytes
from wharfie.formats import pflag


class UsageError(Exception):
    """The command line is wrong; the text is for the user."""


def parse_flags(arguments: Sequence[str], program: str = "wharfied") -> Values:
    """Parse a command line without the program name; only what was given is in the result.

    Raises:
        UsageError: unknown flag, missing or bad value, or a stray argument.
    """
    flags = {
        option.flag: pflag.Flag(option.flag, option.short, _kind(option), "", hidden=False)
        for option in OPTIONS
        if option.flag
    }
    checks = {option.flag: _CHECKS[option.kind] for option in OPTIONS if option.kind in _CHECKS}
    try:
        read = pflag.Parser(flags, checks=checks).parse(list(arguments))
    except pflag.HelpWanted:
        return {"help": True}
    except pflag.UsageProblem as problem:
        raise UsageError(str(problem)) from None
    if read.args:
        raise UsageError(f'"{program}" accepts no arguments: {read.args[0]}')
    return {
        option.name: _value(read, option)
        for option in OPTIONS
        if option.flag and read.has(option.flag)
    }


def _kind(option: Option) -> str:
    """The kind pflag shall read; what it does not know comes as a list of checked pieces."""
    match option.kind:
        case Kind.BOOL | Kind.STRING | Kind.INTEGER:
            return str(option.kind.value)
        case Kind.SIZE | Kind.ADDRESS:
            return "string"
        case _:
            return "list"


def _value(read: pflag.Values, option: Option) -> object:
    match _kind(option):
        case "bool":
            return read.on(option.flag)
        case "int":
            return read.number(option.flag)
        case "string":
            return read.text(option.flag)
        case _:
            return _fold(option, read.objects(option.flag))


def _fold(option: Option, pieces: list[object]) -> object:
    """What a repeated flag comes to: lists are joined, maps merged."""
    if option.kind is Kind.LIST:
        return pieces
    whole: dict[str, object] = {}
    items: list[object] = []
    for piece in pieces:
        if isinstance(piece, list):
            items += piece
        elif isinstance(piece, dict):
            for key, value in piece.items():
                inner = whole.get(key)
                nested = option.kind is Kind.NETWORK_OPTIONS and isinstance(inner, dict)
                whole[key] = {**inner, **value} if nested and isinstance(inner, dict) else value
    return items if option.kind in (Kind.ADDRESSES, Kind.POOLS) else whole


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


def _mirrors(text: str) -> dict[str, list[str]]:
    registry, sign, urls = text.partition("=")
    if not sign:
        raise ValueError(f"{text} must be formatted registry=url[,url]")
    return {registry: urls.split(",")}


def _switches(text: str) -> dict[str, bool]:
    key, sign, value = text.partition("=")
    return {key: pflag.convert("bool", value) is True if sign else True}


def _runtime(text: str) -> dict[str, dict[str, str]]:
    name, sign, path = text.partition("=")
    if not (name.strip() and sign and path.strip()):
        raise ValueError(f"invalid runtime argument: {text}")
    if name.strip().lower() == "runc":
        raise ValueError("runtime name 'runc' is reserved")
    return {name.strip().lower(): {"path": path.strip()}}


def _ulimit(text: str) -> dict[str, dict[str, object]]:
    name, sign, limits = text.partition("=")
    if not (name and sign):
        raise ValueError(f"invalid ulimit argument: {text}")
    soft, _, hard = limits.partition(":")
    values = [pflag.parse_int(part) for part in (soft, hard) if part]
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
        pool[key.lower()] = pflag.parse_int(value) if key.lower() == "size" else value
    return [pool]


def _network_option(text: str) -> dict[str, dict[str, str]]:
    driver, sign, option = text.partition("=")
    key, second, value = option.partition("=")
    if not (sign and second):
        raise ValueError(f'invalid value "{text}" for map option, should be root-key=key=value')
    return {driver: {key: value}}


_CHECKS: dict[Kind, Callable[[str], object]] = {
    Kind.SIZE: _size,
    Kind.ADDRESS: _address,
    Kind.ADDRESSES: _addresses,
    Kind.MAP: _map,
    Kind.MIRRORS: _mirrors,
    Kind.SWITCHES: _switches,
    Kind.RUNTIMES: _runtime,
    Kind.ULIMITS: _ulimit,
    Kind.POOLS: _pool,
    Kind.NETWORK_OPTIONS: _network_option,
}


def usage(program: str) -> str:
    """The text of --help."""
    lines = [
        "",
        f"Usage:  {program} [OPTIONS]",
        f"        {program} config explain [OPTIONS]",
        f"        {program} debug stuck [OPTIONS]",
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
