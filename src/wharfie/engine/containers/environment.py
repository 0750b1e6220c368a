"""The environment of a container's processes, in Docker's order. Source: behaviours 21, 76."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wharfie.model.container import Container
from wharfie.model.exec import ExecConfig

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def container_environment(container: Container, hostname: str) -> list[str]:
    """PATH, HOSTNAME, TERM with a terminal, then the container's own, which override.

    `KEY` without `=` takes the variable away. HOME is the runtime's to add, from passwd.
    """
    base = [f"PATH={DEFAULT_PATH}", f"HOSTNAME={hostname}"]
    if container.config.tty:
        base.append("TERM=xterm")
    return merge(base, container.config.env or [])


def exec_environment(container: Container, hostname: str, config: ExecConfig) -> list[str]:
    """The container's environment and what the exec adds; TERM follows the exec's terminal."""
    base = [f"PATH={DEFAULT_PATH}", f"HOSTNAME={hostname}"]
    if config.tty:
        base.append("TERM=xterm")
    return merge(merge(base, container.config.env or []), config.env or [])


def merge(base: Sequence[str], changes: Iterable[str]) -> list[str]:
    """Variables of `base` in order, replaced in place or taken away by `changes`, then new ones."""
    values = {name: value for name, _, value in (line.partition("=") for line in base)}
    for line in changes:
        name, equals, value = line.partition("=")
        if equals:
            values[name] = value
        else:
            values.pop(name, None)
    return [f"{name}={value}" for name, value in values.items()]
