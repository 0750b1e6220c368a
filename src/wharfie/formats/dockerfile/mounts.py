"""The value of `RUN --mount`: one line of CSV with `key=value` fields.

    type=bind    target, source, from, rw
    type=cache   target, id, sharing=shared|private|locked, from, source, mode, uid, gid, ro
    type=tmpfs   target, size
    type=secret  id, target, env, required, mode, uid, gid
    type=ssh     id, target, required, mode, uid, gid

Source: Dockerfile reference, "RUN --mount".
"""

from __future__ import annotations

import csv
from collections.abc import Callable

from msgspec import Struct

from wharfie.formats.dockerfile.problem import DockerfileProblem
from wharfie.formats.dockerfile.suggestion import did_you_mean
from wharfie.formats.units import parse_size

_KINDS = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARINGS = ("shared", "private", "locked")
_ALIASES = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "rw": "readwrite",
    "ro": "readonly",
}
_KEYS = {
    "bind": {"target", "source", "from", "readwrite", "readonly"},
    "cache": {
        "target",
        "source",
        "from",
        "id",
        "sharing",
        "mode",
        "uid",
        "gid",
        "readonly",
        "readwrite",
    },
    "tmpfs": {"target", "size"},
    "secret": {"target", "source", "id", "env", "required", "mode", "uid", "gid"},
    "ssh": {"target", "source", "id", "required", "mode", "uid", "gid"},
}
_FLAG_KEYS = frozenset({"readonly", "readwrite", "required"})
_ALL_KEYS = sorted(set().union(*_KEYS.values()) | {"type"} | set(_ALIASES))


class Mount(Struct, frozen=True, kw_only=True):
    """One mount.

    Attributes:
        target: as written; "" where it has a default.
        environment: of a secret: variable that carries it, None where `env` is not given.
        mode, uid, gid: None where they are not given.
    """

    kind: str
    target: str = ""
    source: str = ""
    from_: str = ""
    id: str = ""
    sharing: str = ""
    environment: str | None = None
    size: int = 0
    read_only: bool | None = None
    required: bool = False
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


def parse_mount(text: str, expand: Callable[[str], str] | None = None) -> Mount:
    """Read a mount; without `expand` values with variables in them are not looked at.

    Raises:
        DockerfileProblem: unknown keys, or values they cannot have.
    """
    values: dict[str, str] = {}
    for key, value in _fields(text):
        if expand is not None and key not in ("from", "type"):
            values[key] = expand(value)
        elif expand is not None or "$" not in value or key == "from":
            values[key] = value
    kind = values.pop("type", "bind")
    if kind not in _KINDS:
        raise DockerfileProblem(f'unsupported mount type "{kind[:80]}"{did_you_mean(kind, _KINDS)}')
    for key in values:
        if key == "sharing" and kind != "cache":
            raise DockerfileProblem(f"invalid cache sharing set for {kind} mount")
        if key not in _KEYS[kind]:
            raise DockerfileProblem(f"unexpected key '{key}' for mount type '{kind}'")
    sharing = values.get("sharing", "")
    if sharing and sharing not in _SHARINGS:
        raise DockerfileProblem(
            f'unsupported sharing value "{sharing[:80]}"{did_you_mean(sharing, _SHARINGS)}'
        )
    return _built(kind, values)


def _fields(text: str) -> list[tuple[str, str]]:
    try:
        row = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise DockerfileProblem(f"failed to parse csv mounts: {error}") from None
    pairs: list[tuple[str, str]] = []
    for word in row:
        name, equals, value = word.partition("=")
        key = _ALIASES.get(name.lower(), name.lower())
        if key not in _ALL_KEYS:
            near = did_you_mean(name, _ALL_KEYS)
            raise DockerfileProblem(f"unexpected key '{name[:80]}' in '{word[:80]}'{near}")
        if not equals:
            if key not in _FLAG_KEYS and key != "env":
                raise DockerfileProblem(f"invalid field '{word[:80]}' must be a key=value pair")
            value = "" if key == "env" else "true"
        pairs.append((key, value))
    return pairs


def _built(kind: str, values: dict[str, str]) -> Mount:
    read_only: bool | None = None
    if "readonly" in values:
        read_only = _flag("readonly", values["readonly"])
    if "readwrite" in values:
        read_only = not _flag("readwrite", values["readwrite"])
    source, identity = values.get("source", ""), values.get("id", "")
    if kind in ("secret", "ssh"):
        identity, source = identity or source, ""
    return Mount(
        kind=kind,
        target=values.get("target", ""),
        source=source,
        from_=values.get("from", ""),
        id=identity,
        sharing=values.get("sharing", ""),
        environment=values.get("env"),
        size=_size(values.get("size", "")),
        read_only=read_only,
        required=_flag("required", values.get("required", "false")),
        mode=_number("mode", values.get("mode"), base=8),
        uid=_number("uid", values.get("uid")),
        gid=_number("gid", values.get("gid")),
    )


def _flag(key: str, value: str) -> bool:
    if value.lower() in ("true", "1", "t"):
        return True
    if value.lower() in ("false", "0", "f"):
        return False
    raise DockerfileProblem(f"invalid value for {key}: {value[:80]}")


def _number(key: str, value: str | None, *, base: int = 10) -> int | None:
    if value is None:
        return None
    digits = value.removeprefix("0o")
    try:
        number = int(digits, base) if digits.isascii() and digits.isalnum() else -1
    except ValueError:
        number = -1
    if not 0 <= number < 2**32:
        raise DockerfileProblem(f"invalid value {value[:80]} for {key}")
    return number


def _size(value: str) -> int:
    if not value:
        return 0
    try:
        return parse_size(value)
    except ValueError:
        raise DockerfileProblem(f"invalid value for size: {value[:80]}") from None
