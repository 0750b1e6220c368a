"""The words of instructions that only change the config, for history.

Source: moby daemon/builder/dockerfile and BuildKit frontend/dockerfile/dockerfile2llb, observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch

from msgspec import Struct

from wharfie.engine.images.making.instructions import (
    Variables,
    expanded_pairs,
    exposed_ports,
    label_pairs,
    volume_paths,
)
from wharfie.formats.dockerfile import instructions as kinds
from wharfie.formats.duration import format_duration
from wharfie.formats.goquote import go_quote, go_quote_rune
from wharfie.model.image import ImageConfig


class Wording(Struct, frozen=True):
    """What words are chosen by.

    Attributes:
        config: after the instruction.
        expansion: as of before it.
    """

    config: ImageConfig
    expansion: Variables
    is_classic: bool


@singledispatch
def describe(instruction: kinds.Written, wording: Wording) -> str:
    """The instruction with its values."""
    del wording
    return instruction.statement.text.strip()


@describe.register
def _env(env: kinds.Env, wording: Wording) -> str:
    return "ENV " + _joined(expanded_pairs(env.pairs, wording.expansion))


@describe.register
def _label(label: kinds.Label, wording: Wording) -> str:
    return "LABEL " + _joined(label_pairs(label, wording.expansion))


@describe.register
def _cmd(_: kinds.Cmd, wording: Wording) -> str:
    return f"CMD {go_list(wording.config.cmd or ())}"


@describe.register
def _entrypoint(_: kinds.Entrypoint, wording: Wording) -> str:
    return f"ENTRYPOINT {go_list(wording.config.entrypoint or ())}"


@describe.register
def _shell(shell: kinds.Shell, _: Wording) -> str:
    return f"SHELL {plain_list(shell.words)}"


@describe.register
def _expose(expose: kinds.Expose, wording: Wording) -> str:
    if not wording.is_classic:
        return f"EXPOSE {plain_list(exposed_ports(expose.ports, wording.expansion))}"
    words = [word for port in expose.ports for word in wording.expansion.words(port)]
    return "EXPOSE " + " ".join(words)


@describe.register
def _volume(volume: kinds.Volume, wording: Wording) -> str:
    return f"VOLUME {plain_list(volume_paths(volume.paths, wording.expansion))}"


@describe.register
def _user(_: kinds.User, wording: Wording) -> str:
    return f"USER {wording.config.user}"


@describe.register
def _stop_signal(_: kinds.StopSignal, wording: Wording) -> str:
    return f"STOPSIGNAL {wording.config.stop_signal}"


@describe.register
def _on_build(on_build: kinds.OnBuild, _: Wording) -> str:
    return f"ONBUILD {on_build.trigger}"


@describe.register
def _health_check(check: kinds.HealthCheck, wording: Wording) -> str:
    """As Go prints the struct."""
    times = (check.interval, check.timeout, check.start_period, check.start_interval)
    spans = [format_duration(time) for time in times]
    if wording.is_classic:
        return f"HEALTHCHECK &{{{plain_list(check.test)} {' '.join(spans)} {check.retries}}}"
    quoted = " ".join(f'"{span}"' for span in spans)
    return f"HEALTHCHECK &{{{go_list(check.test)} {quoted} {go_quote_rune(check.retries)}}}"


def go_list(words: Sequence[str]) -> str:
    """`["a" "b"]`, as Go's %q prints a list."""
    return "[" + " ".join(go_quote(word) for word in words) + "]"


def plain_list(words: Sequence[str]) -> str:
    """`[a b]`, as Go's %v prints a list."""
    return "[" + " ".join(words) + "]"


def _joined(pairs: Sequence[tuple[str, str]]) -> str:
    return " ".join(f"{key}={value}" for key, value in pairs)
