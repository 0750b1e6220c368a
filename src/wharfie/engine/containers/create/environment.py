"""The environment of a container's processes, in Docker's order. Pure.

Source: behaviours 21, 76.
"""

from __future__ import annotations

from collections.abc import Sequence

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TERMINAL = "xterm"


def container_environment(
    own: Sequence[str] | None, *, hostname: str, tty: bool, links: Sequence[str] = ()
) -> list[str]:
    """The environment of a container: PATH, HOSTNAME, TERM, links, then its own settings.

    HOME is the runtime's business: it depends on the user.

    Args:
        own: `Config.Env`, image and user merged.
        hostname: as the container sees it.
        tty: the process has a terminal.
        links: variables of legacy links ("DB_PORT=tcp://…").
    """
    base = [f"PATH={DEFAULT_PATH}", f"HOSTNAME={hostname}"]
    if tty:
        base.append(f"TERM={_TERMINAL}")
    return override(override(base, links), own or ())


def exec_environment(
    own: Sequence[str] | None,
    requested: Sequence[str] | None,
    *,
    hostname: str,
    tty: bool,
    links: Sequence[str] = (),
) -> list[str]:
    """The environment of an exec'd process: the container's, then what the request sets.

    TERM depends on the exec's terminal, not on the container's.
    """
    base = container_environment(own, hostname=hostname, tty=tty, links=links)
    return override(base, requested or ())


def override(base: Sequence[str], settings: Sequence[str]) -> list[str]:
    """Apply settings in order: a known key is replaced in its place, a new one appended.

    A setting without "=" removes the key. An empty key is dropped: no process could read it.
    """
    values: dict[str, str] = {}
    for entry in base:
        key, sign, value = entry.partition("=")
        if sign and key:
            values[key] = value
    for entry in settings:
        key, sign, value = entry.partition("=")
        if not sign:
            values.pop(key, None)
        elif key:
            values[key] = value
    return [f"{key}={value}" for key, value in values.items()]
