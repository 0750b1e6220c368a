"""Values of options: reading text, checking types as Go does, showing them as Go prints them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from wharfie.daemon.config.options import Kind, Option
from wharfie.formats.units import parse_size

_CREDENTIALS = re.compile(r"://[^@/]*@")
_POOL = {"base": str, "size": int}


def parse_bytes(text: str) -> int:
    """Bytes of "64m".

    Raises:
        ValueError: in Docker's words.
    """
    return parse_size(text)


def parse_address(text: str) -> str:
    """An IP address, in its usual spelling.

    Raises:
        ValueError: in Docker's words.
    """
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f'failed to parse IP: "{text}"') from None


def check_type(option: Option, value: object) -> None:
    """Refuse a value from the file that is not of the option's type.

    Raises:
        ValueError: in the words of Go's decoder.
    """
    name = option.name
    match option.kind:
        case Kind.BOOL:
            _expect(isinstance(value, bool), value, name, "bool")
        case Kind.STRING | Kind.ADDRESS | Kind.SIZE:
            _expect(isinstance(value, str), value, name, "string")
        case Kind.INTEGER:
            _expect(_is_integer(value), value, name, "int")
        case Kind.LIST | Kind.ADDRESSES:
            _check_list(value, name)
        case Kind.POOLS:
            _check_pools(value, name)
        case _:
            _check_map(option, value)
    _check_text(option.kind, value)


def _check_text(kind: Kind, value: object) -> None:
    """Refuse text that does not spell what it should."""
    if kind is Kind.ADDRESS:
        _check_address(str(value))
    elif kind is Kind.ADDRESSES:
        assert isinstance(value, list)
        for item in value:
            _check_address(item)
    elif kind is Kind.SIZE:
        parse_bytes(str(value))


def _check_address(text: str) -> None:
    try:
        if text:
            ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"invalid IP address: {text}") from None


def _check_list(value: object, name: str) -> None:
    _expect(isinstance(value, list), value, name, "[]string")
    assert isinstance(value, list)
    for index, item in enumerate(value):
        _expect(isinstance(item, str), item, f"{name}.{index}", "string")


def _check_pools(value: object, name: str) -> None:
    _expect(isinstance(value, list), value, name, "[]*ipamutils.NetworkToSplit")
    assert isinstance(value, list)
    for item in value:
        _expect(isinstance(item, dict), item, name, "ipamutils.NetworkToSplit")
        for key, inner in item.items():
            if key.lower() not in _POOL:
                raise ValueError(f'unknown field "{key}" in {name}: known are base and size')
            is_right = _is_integer(inner) if key.lower() == "size" else isinstance(inner, str)
            _expect(is_right, inner, f"{name}.{key}", _POOL[key.lower()].__name__)


def _check_map(option: Option, value: object) -> None:
    name = option.name
    types = {
        Kind.MAP: "map[string]string",
        Kind.MIRRORS: "map[string][]string",
        Kind.SWITCHES: "map[string]bool",
        Kind.RUNTIMES: "map[string]system.Runtime",
        Kind.ULIMITS: "map[string]*container.Ulimit",
        Kind.NETWORK_OPTIONS: "map[string]map[string]string",
    }
    _expect(isinstance(value, dict), value, name, types.get(option.kind, "struct"))
    assert isinstance(value, dict)
    for key, item in value.items():
        path = f"{name}.{key}"
        match option.kind:
            case Kind.MAP:
                _expect(isinstance(item, str), item, path, "string")
            case Kind.MIRRORS:
                _check_list([item] if isinstance(item, str) else item, path)
            case Kind.SWITCHES:
                _expect(isinstance(item, bool), item, path, "bool")
            case Kind.RUNTIMES:
                _check_runtime(item, path)
            case Kind.ULIMITS:
                _check_ulimit(item, path)
            case Kind.NETWORK_OPTIONS:
                _expect(isinstance(item, dict), item, path, "map[string]string")
                for inner in item.values():
                    _expect(isinstance(inner, str), inner, path, "string")
            case _:
                pass


def _check_runtime(item: object, path: str) -> None:
    _expect(isinstance(item, dict), item, path, "system.Runtime")
    assert isinstance(item, dict)
    for key, value in item.items():
        match key:
            case "path" | "runtimeType":
                _expect(isinstance(value, str), value, f"{path}.{key}", "string")
            case "runtimeArgs" | "args":
                _check_list(value, f"{path}.{key}")
            case "options":
                _expect(isinstance(value, dict), value, f"{path}.{key}", "map[string]interface {}")
            case _:
                raise ValueError(
                    f'unknown field "{key}" in {path}: known are path, runtimeArgs, runtimeType '
                    "and options"
                )


def _check_ulimit(item: object, path: str) -> None:
    _expect(isinstance(item, dict), item, path, "units.Ulimit")
    assert isinstance(item, dict)
    for key, value in item.items():
        is_right = isinstance(value, str) if key.lower() == "name" else _is_integer(value)
        wanted = "string" if key.lower() == "name" else "int64"
        _expect(is_right, value, f"{path}.{key}", wanted)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _expect(is_right: bool, value: object, name: str, wanted: str) -> None:
    if is_right:
        return
    match value:
        case bool():
            given = "bool"
        case str():
            given = "string"
        case int():
            given = "number"
        case float():
            given = f"number {value}"
        case list():
            given = "array"
        case dict():
            given = "object"
        case _:
            given = "null"
    raise ValueError(
        f"json: cannot unmarshal {given} into Go struct field Config.{name} of type {wanted}"
    )


def show(value: object) -> str:
    """A value as Go prints it, without the credentials a URL may hold."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case list() | tuple():
            return f"[{' '.join(show(item) for item in value)}]"
        case Mapping():
            return f"map[{' '.join(f'{key}:{show(value[key])}' for key in sorted(value))}]"
        case _:
            return mask(str(value))


def mask(text: str) -> str:
    """A URL without user name and password."""
    return _CREDENTIALS.sub("://xxxxx:xxxxx@", text)
