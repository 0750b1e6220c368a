"""`--change` of import and commit: single Dockerfile instructions applied to a config.

Source: Engine API, ImageCreate and ImageCommit, parameter `changes`; behaviours 123.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Sequence

import msgspec
from msgspec import structs

from wharfie.formats.duration import parse_duration
from wharfie.model.container import HealthConfig
from wharfie.model.errors import InvalidArgument
from wharfie.model.image import ImageConfig

_SHELL = ["/bin/sh", "-c"]
_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", re.ASCII)
_MAX_PORTS = 65536
_OTHERS = frozenset({"ADD", "ARG", "COPY", "FROM", "MAINTAINER", "RUN", "SHELL"})


def apply_changes(config: ImageConfig, changes: Sequence[str]) -> ImageConfig:
    """The config after every instruction, in order.

    Raises:
        InvalidArgument: an unknown instruction or malformed arguments.
    """
    has_cmd = False
    for change in changes:
        for line in filter(None, map(str.strip, change.splitlines())):
            config = _apply(config, line)
            instruction = line.partition(" ")[0].upper()
            has_cmd = has_cmd or instruction == "CMD"
            if instruction == "ENTRYPOINT" and not has_cmd:
                # As in a Dockerfile: the command was meant for another entrypoint.
                config = structs.replace(config, cmd=None)
    return config


def _apply(config: ImageConfig, line: str) -> ImageConfig:
    word, _, rest = line.partition(" ")
    name, text = word.upper(), rest.strip()
    instruction = _INSTRUCTIONS.get(name)
    if instruction is None:
        if name in _OTHERS:
            raise InvalidArgument(f"{name} is not a valid change command")
        raise InvalidArgument(f"dockerfile parse error on line 1: unknown instruction: {word[:40]}")
    if not text:
        raise InvalidArgument(f"{name} requires at least one argument")
    return instruction(config, text)


def _cmd(config: ImageConfig, text: str) -> ImageConfig:
    return structs.replace(config, cmd=_command(text))


def _entrypoint(config: ImageConfig, text: str) -> ImageConfig:
    return structs.replace(config, entrypoint=_command(text))


def _env(config: ImageConfig, text: str) -> ImageConfig:
    variables = {entry.partition("=")[0]: entry for entry in config.env or ()}
    for key, value in _pairs("ENV", text):
        variables[key] = f"{key}={value}"
    return structs.replace(config, env=list(variables.values()))


def _label(config: ImageConfig, text: str) -> ImageConfig:
    return structs.replace(config, labels={**(config.labels or {}), **dict(_pairs("LABEL", text))})


def _expose(config: ImageConfig, text: str) -> ImageConfig:
    ports = dict(config.exposed_ports or {})
    for word in _words(text):
        match = _PORT.fullmatch(word)
        first = int(match[1]) if match else 0
        last = int(match[2]) if match and match[2] else first
        if match is None or not 0 < first <= last < _MAX_PORTS:
            raise InvalidArgument(f"invalid containerPort: {word[:40]}")
        ports |= {f"{port}/{match[3] or 'tcp'}": {} for port in range(first, last + 1)}
    return structs.replace(config, exposed_ports=ports)


def _volume(config: ImageConfig, text: str) -> ImageConfig:
    paths = _list(text)
    if paths is None:
        paths = _words(text)
    if not all(path.strip() for path in paths):
        raise InvalidArgument("VOLUME specified can not be an empty string")
    return structs.replace(
        config, volumes={**(config.volumes or {}), **{path: {} for path in paths}}
    )


def _user(config: ImageConfig, text: str) -> ImageConfig:
    return structs.replace(config, user=text)


def _workdir(config: ImageConfig, text: str) -> ImageConfig:
    path = posixpath.normpath(posixpath.join("/", config.working_dir, text))
    return structs.replace(config, working_dir=path)


def _stop_signal(config: ImageConfig, text: str) -> ImageConfig:
    return structs.replace(config, stop_signal=text)


def _on_build(config: ImageConfig, text: str) -> ImageConfig:
    trigger = text.partition(" ")[0].upper()
    if trigger == "ONBUILD":
        raise InvalidArgument("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
    if trigger in ("MAINTAINER", "FROM"):
        raise InvalidArgument(f"{trigger} isn't allowed as an ONBUILD trigger")
    return structs.replace(config, on_build=[*(config.on_build or ()), text])


def _health_check(config: ImageConfig, text: str) -> ImageConfig:
    options: dict[str, str] = {}
    while text.startswith("--"):
        option, _, text = text.partition(" ")
        key, _, value = option[2:].partition("=")
        options[key] = value
        text = text.strip()
    kind, _, command = text.partition(" ")
    if kind.upper() == "NONE":
        return structs.replace(config, healthcheck=HealthConfig(test=["NONE"]))
    if kind.upper() != "CMD" or not command.strip():
        raise InvalidArgument(f"Unknown type {kind[:40]!r} in HEALTHCHECK (try CMD)")
    words = _list(command.strip())
    test = ["CMD-SHELL", command.strip()] if words is None else ["CMD", *words]
    return structs.replace(config, healthcheck=_health(test, options))


def _health(test: list[str], options: dict[str, str]) -> HealthConfig:
    unknown = set(options) - {"interval", "timeout", "start-period", "start-interval", "retries"}
    if unknown:
        raise InvalidArgument(f"unknown flag: {min(unknown)[:40]}")
    try:
        return HealthConfig(
            test=test,
            interval=parse_duration(options.get("interval", "0s")),
            timeout=parse_duration(options.get("timeout", "0s")),
            start_period=parse_duration(options.get("start-period", "0s")),
            start_interval=parse_duration(options.get("start-interval", "0s")),
            retries=int(options.get("retries", "0")),
        )
    except ValueError as error:
        raise InvalidArgument(f"HEALTHCHECK: {error}") from None


_INSTRUCTIONS: dict[str, Callable[[ImageConfig, str], ImageConfig]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _health_check,
    "LABEL": _label,
    "ONBUILD": _on_build,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}


def _command(text: str) -> list[str]:
    words = _list(text)
    return [*_SHELL, text] if words is None else words


def _list(text: str) -> list[str] | None:
    """A JSON list of strings, None when it is none (then it is shell form)."""
    if not text.startswith("["):
        return None
    try:
        return msgspec.json.decode(text, type=list[str])
    except (msgspec.MsgspecError, RecursionError):
        return None


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise InvalidArgument(f"{error} in {text[:80]!r}") from None


def _pairs(name: str, text: str) -> list[tuple[str, str]]:
    """`k=v k2="v 2"`, or the old `k v`."""
    first = text.split(None, 1)[0]
    if "=" not in first:
        key, _, value = text.partition(" ")
        if not value.strip():
            raise InvalidArgument(f"{name} must have two arguments")
        return [(key, value.strip())]
    pairs: list[tuple[str, str]] = []
    for word in _words(text):
        key, equals, value = word.partition("=")
        if not equals:
            raise InvalidArgument(f"Syntax error - can't find = in {word[:40]!r}")
        if not key:
            raise InvalidArgument(f"{name} names can not be blank")
        pairs.append((key, value))
    return pairs
