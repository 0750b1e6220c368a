"""What the instructions of a Dockerfile that only touch the config do to it.

Builds use it, and `--change` of import and commit. Source: Dockerfile reference; Engine API,
ImageCreate and ImageCommit, parameter `changes`; behaviours 123.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Protocol

from msgspec import structs

from wharfie.formats.dockerfile import instructions as kinds
from wharfie.formats.dockerfile.expansion import Expanded, Keep, expand
from wharfie.model.container import HealthConfig
from wharfie.model.errors import InvalidArgument
from wharfie.model.image import ImageConfig
from wharfie.model.signals import parse_signal

SHELL = ("/bin/sh", "-c")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MAX_PORTS = 65536

_PORT = re.compile(r"(?:(?P<host>.*):)?(?P<first>\d{1,9})(?:-(?P<last>\d{1,9}))?", re.ASCII)
_PROTOCOLS = ("tcp", "udp", "sctp")


class Expansion(Protocol):
    """Replaces variables, as of where the instruction stands."""

    def word(self, text: str) -> str:
        """The text expanded, spaces kept."""

    def words(self, text: str) -> list[str]:
        """The text expanded and split at unquoted spaces."""


@singledispatch
def apply_instruction(
    instruction: kinds.Written, config: ImageConfig, expansion: Expansion
) -> ImageConfig:
    """The config after one instruction.

    An ENTRYPOINT does not reset the command here: whether it does depends on who set it.

    Raises:
        InvalidArgument: a value it cannot have, or an instruction that does more than this.
        DockerfileProblem: a variable cannot be expanded.
    """
    del config, expansion
    raise InvalidArgument(f"{instruction.statement.name.upper()} is not a valid change command")


@apply_instruction.register
def _env(env: kinds.Env, config: ImageConfig, expansion: Expansion) -> ImageConfig:
    entries = {entry.partition("=")[0]: entry for entry in config.env or ()}
    for key, value in expanded_pairs(env.pairs, expansion):
        if not key:
            raise InvalidArgument(f"invalid environment variable: ={value[:80]}")
        entries[key] = f"{key}={value}"
    return structs.replace(config, env=list(entries.values()))


@apply_instruction.register
def _label(label: kinds.Label, config: ImageConfig, expansion: Expansion) -> ImageConfig:
    labels = dict(label_pairs(label, expansion))
    return structs.replace(config, labels={**(config.labels or {}), **labels})


@apply_instruction.register
def _cmd(cmd: kinds.Cmd, config: ImageConfig, _: Expansion) -> ImageConfig:
    return structs.replace(config, cmd=command_vector(cmd.command, config.shell))


@apply_instruction.register
def _entrypoint(entry: kinds.Entrypoint, config: ImageConfig, _: Expansion) -> ImageConfig:
    vector = command_vector(entry.command, config.shell)
    return structs.replace(config, entrypoint=vector or None)


@apply_instruction.register
def _shell(shell: kinds.Shell, config: ImageConfig, _: Expansion) -> ImageConfig:
    return structs.replace(config, shell=shell.words)


@apply_instruction.register
def _expose(expose: kinds.Expose, config: ImageConfig, expansion: Expansion) -> ImageConfig:
    ports = dict(config.exposed_ports or {})
    ports.update((port, {}) for port in exposed_ports(expose.ports, expansion))
    return structs.replace(config, exposed_ports=ports)


@apply_instruction.register
def _volume(volume: kinds.Volume, config: ImageConfig, expansion: Expansion) -> ImageConfig:
    volumes = dict(config.volumes or {})
    volumes.update((path, {}) for path in volume_paths(volume.paths, expansion))
    return structs.replace(config, volumes=volumes)


@apply_instruction.register
def _user(user: kinds.User, config: ImageConfig, expansion: Expansion) -> ImageConfig:
    return structs.replace(config, user=expansion.word(user.user))


@apply_instruction.register
def _workdir(workdir: kinds.Workdir, config: ImageConfig, expansion: Expansion) -> ImageConfig:
    written = expansion.word(workdir.path)
    if not written:
        raise InvalidArgument("cannot normalize nothing")
    path = working_directory(config.working_dir, written)
    return structs.replace(config, working_dir=path)


@apply_instruction.register
def _stop_signal(stop: kinds.StopSignal, config: ImageConfig, expansion: Expansion) -> ImageConfig:
    return structs.replace(config, stop_signal=stop_signal(expansion.word(stop.signal)))


@apply_instruction.register
def _on_build(on_build: kinds.OnBuild, config: ImageConfig, _: Expansion) -> ImageConfig:
    return structs.replace(config, on_build=[*(config.on_build or ()), on_build.trigger])


@apply_instruction.register
def _health_check(check: kinds.HealthCheck, config: ImageConfig, _: Expansion) -> ImageConfig:
    return structs.replace(config, healthcheck=health_config(check))


def environment(config: ImageConfig) -> dict[str, str]:
    """Variables of a config; one without "=" is empty."""
    pairs = (entry.partition("=") for entry in config.env or ())
    return {name: value for name, _, value in pairs}


def with_default_path(config: ImageConfig) -> ImageConfig:
    """The config with a PATH, if it has none."""
    if "PATH" in environment(config):
        return config
    return structs.replace(config, env=[*(config.env or ()), PATH])


def expanded_pairs(pairs: Sequence[kinds.KeyValue], expansion: Expansion) -> list[tuple[str, str]]:
    """Keys and values; all see the variables as they were before the instruction."""
    return [(expansion.word(pair.key), expansion.word(pair.value)) for pair in pairs]


def label_pairs(label: kinds.Label, expansion: Expansion) -> list[tuple[str, str]]:
    """Keys and values of labels."""
    if label.literal:
        return [(pair.key, pair.value) for pair in label.pairs]
    return expanded_pairs(label.pairs, expansion)


def command_vector(command: kinds.CommandLine, shell: Sequence[str] | None) -> list[str]:
    """The argument vector; the shell form is given to the shell in force."""
    if not command.in_shell:
        return command.words
    return [*(shell or SHELL), *command.words]


def exposed_ports(ports: Sequence[str], expansion: Expansion) -> list[str]:
    """`80/tcp` for every port meant; ranges are spread.

    Raises:
        InvalidArgument: not a port.
    """
    words = [word for port in ports for word in expansion.words(port)]
    opened: list[str] = []
    for word in words:
        opened += _ports_of(word)
        if len(opened) > MAX_PORTS:
            raise InvalidArgument(f"EXPOSE of more than {MAX_PORTS} ports")
    return list(dict.fromkeys(opened))


def _ports_of(word: str) -> list[str]:
    text, slash, protocol = word.partition("/")
    protocol = protocol.lower() if slash and protocol else "tcp"
    if not text:
        raise InvalidArgument(f"no port specified: {word[:80]}<empty>")
    match = _PORT.fullmatch(text)
    if match is None:
        raise InvalidArgument(f"Invalid containerPort: {word[:80]}")
    first = int(match["first"])
    last = int(match["last"]) if match["last"] else first
    if last < first or last >= MAX_PORTS:
        raise InvalidArgument(f"Invalid containerPort: {text[:80]}")
    if protocol not in _PROTOCOLS:
        raise InvalidArgument(f"Invalid proto: {protocol[:80]}")
    return [f"{port}/{protocol}" for port in range(first, last + 1)]


def volume_paths(paths: Sequence[str], expansion: Expansion) -> list[str]:
    """Paths of volumes.

    Raises:
        InvalidArgument: one is empty.
    """
    expanded = [expansion.word(path) for path in paths]
    if not all(expanded):
        raise InvalidArgument("VOLUME specified can not be an empty string")
    return expanded


def working_directory(present: str, path: str) -> str:
    """The directory that WORKDIR names, relative to the present one."""
    return "/" + posixpath.normpath(posixpath.join("/", present, path)).lstrip("/")


def stop_signal(text: str) -> str:
    """The signal as it is written.

    Raises:
        InvalidArgument: no signal.
    """
    parse_signal(text)
    return text


def health_config(check: kinds.HealthCheck) -> HealthConfig:
    """The check as a config has it."""
    return HealthConfig(
        test=check.test,
        interval=check.interval,
        timeout=check.timeout,
        start_period=check.start_period,
        start_interval=check.start_interval,
        retries=check.retries,
    )


class Variables:
    """Expansion by a fixed set of variables."""

    def __init__(self, variables: Mapping[str, str], *, escape: str = "\\") -> None:
        self._variables = variables
        self._escape = escape
        self.unmatched: set[str] = set()
        """Names that were asked for and are not set."""

    def word(self, text: str) -> str:
        """The text expanded, spaces kept."""
        return self._expanded(text).text

    def words(self, text: str) -> list[str]:
        """The text expanded and split at unquoted spaces."""
        return self._expanded(text).words

    def heredoc(self, text: str) -> str:
        """The text expanded, quotes being text as well."""
        return self._expanded(text, keep=Keep.LITERAL_QUOTES).text

    def _expanded(self, text: str, *, keep: Keep = Keep.NOTHING) -> Expanded:
        expanded = expand(text, self._variables, escape=self._escape, keep=keep)
        self.unmatched |= expanded.unmatched
        return expanded
