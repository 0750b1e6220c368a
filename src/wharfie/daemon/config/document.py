"""The config file: bytes to option values, each with the line it stands on.

Messages are those of dockerd 28.5 (measured), line and column added. A missing file is no
configuration unless it was asked for; so is one with nothing but white space.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from wharfie.daemon.config.errors import ConfigError
from wharfie.daemon.config.options import BY_KEY, OBJECTS, Option, Values, options_inside
from wharfie.daemon.config.values import check_type
from wharfie.formats.located_json import (
    JsonSyntaxError,
    LocatedJson,
    Path,
    Position,
    decode_located,
)


class Document(Struct, frozen=True):
    """What a config file says, by `Option.name`; `null` is not given."""

    path: str
    values: Values = field(default_factory=dict)
    positions: Mapping[str, Position] = field(default_factory=dict)
    exists: bool = False


def read_document(path: str, *, required: bool) -> Document:
    """Read a config file.

    Raises:
        ConfigError: missing though required, unreadable, no JSON, or with what no option takes.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        if required:
            raise ConfigError(f"open {path}: no such file or directory") from None
        return Document(path)
    except OSError as error:
        raise ConfigError(f"open {path}: {str(error.strerror).lower()}") from None
    return decode_document(path, data)


def decode_document(path: str, data: bytes) -> Document:
    """Decode the content of the config file at `path`; see `read_document`."""
    text = _decode(data)
    if not text.strip():
        return Document(path, exists=True)
    try:
        located = decode_located(text)
    except JsonSyntaxError as error:
        raise ConfigError(f"invalid JSON: {error}{_at(error.position)}") from None
    if located.value is None:
        return Document(path, exists=True)
    if not isinstance(located.value, dict):
        kind = {bool: "bool", str: "string", list: "array"}.get(type(located.value), "number")
        raise ConfigError(
            f"invalid JSON: json: cannot unmarshal {kind} into Go value of type "
            f"map[string]interface {{}}{_at(located.positions[()])}"
        )
    return _convert(path, located, located.value)


def _decode(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"failed to decode configuration JSON at offset {error.start}: encoding: invalid "
            f"{'UTF-16' if encoding == 'utf-16' else 'UTF-8'} (line {line})"
        ) from None


def _convert(path: str, located: LocatedJson, document: dict[str, object]) -> Document:
    unknown = [where for where, option, _ in _entries(document) if option is None]
    if unknown:
        raise ConfigError(_unknown(path, unknown, located.positions))
    values: Values = {}
    positions: dict[str, Position] = {}
    for where, option, value in _entries(document):
        assert option is not None
        if value is None:
            continue
        try:
            check_type(option, value)
        except ValueError as error:
            raise ConfigError(f"invalid JSON: {error}{_at(located.positions[where])}") from None
        values[option.name] = value
        positions[option.name] = located.positions[where]
    return Document(path, values, positions, exists=True)


def _entries(document: dict[str, object]) -> Iterator[tuple[Path, Option | None, object]]:
    """Keys with their options and values; those inside a grouping object in its place."""
    for key, value in document.items():
        if key not in OBJECTS:
            yield (key,), BY_KEY.get(key), value
        elif isinstance(value, dict):
            known = options_inside(key)
            for inner, item in value.items():
                yield (key, inner), known.get(inner), item
        elif value is not None:
            yield (key,), None, value


def _unknown(path: str, unknown: list[Path], positions: Mapping[Path, Position]) -> str:
    """Docker's message, and a line for each key: where it is and what may have been meant."""
    lines = [
        "the following directives don't match any configuration option: "
        + ", ".join(where[-1] for where in unknown)
    ]
    for where in unknown:
        known = [*BY_KEY, *OBJECTS]
        near = difflib.get_close_matches(where[-1].lower(), known, n=1, cutoff=0.75)
        meant = f': did you mean "{near[0]}"?' if near else ""
        if near and near[0] == where[-1]:
            meant = ": it is of another type"
        for group in OBJECTS:
            if where[-1] in options_inside(group):
                meant = f': it belongs inside "{group}"'
        place = positions[where]
        lines.append(f'  "{where[-1]}" in {path}, line {place.line}, column {place.column}{meant}')
    return "\n".join(lines)


def _at(position: Position) -> str:
    return f" (line {position.line}, column {position.column})"
