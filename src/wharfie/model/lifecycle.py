"""The one table of what a container may do next.

        create          start                  exit
    ──────────▶ created ─────▶ running ───────────────▶ exited ──▶ (start again)
                   │           ▲  │ ▲                     │
                   │     unpause│  │pause      restart    │
                   │           paused      ◀── restarting ┘
                   └───────────────┴──── remove ──▶ removing ──▶ gone, or dead on failure

Source: behaviours 51–57; messages are Docker's.
"""

from __future__ import annotations

from enum import StrEnum

from wharfie.model.container import Container, Status
from wharfie.model.errors import Conflict, NotModified


class Verb(StrEnum):
    """What a caller wants to do with a container."""

    START = "start"
    STOP = "stop"
    KILL = "kill"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    REMOVE = "remove"
    EXEC = "exec"
    ATTACH = "attach"
    RESIZE = "resize"
    TOP = "top"


_RUNNING = frozenset({Status.RUNNING, Status.PAUSED, Status.RESTARTING})
_ALIVE = frozenset({Status.RUNNING, Status.PAUSED})


def is_running(status: Status) -> bool:
    """Tell whether API readers see `Running: true` (paused and restarting count)."""
    return status in _RUNNING


def has_process(status: Status) -> bool:
    """Tell whether the container's first process exists."""
    return status in _ALIVE


def check(verb: Verb, container: Container, *, force: bool = False) -> None:
    """Raise unless `verb` is allowed in the container's present state.

    Raises:
        NotModified: it already is as wished.
        Conflict: not in this state.
    """
    refusal = _refusal(verb, container, force=force)
    if refusal is not None:
        raise refusal


def _refusal(verb: Verb, container: Container, *, force: bool) -> Exception | None:
    match verb:
        case Verb.START:
            return _refuse_start(container)
        case Verb.STOP:
            running = is_running(container.state.status)
            return None if running else NotModified(f"container {container.id} is not running")
        case Verb.REMOVE:
            return None if force else _refuse_remove(container)
        case Verb.KILL:
            if is_running(container.state.status):
                return None
            return Conflict(f"container {container.id} is not running")
        case Verb.PAUSE:
            return _refuse_pause(container)
        case Verb.UNPAUSE:
            if container.state.status is Status.PAUSED:
                return None
            return Conflict(f"Container {container.id} is not paused")
        case Verb.EXEC | Verb.ATTACH | Verb.RESIZE | Verb.TOP:
            return _refuse_inside(verb, container)


def _refuse_start(container: Container) -> Exception | None:
    match container.state.status:
        case Status.RUNNING:
            return NotModified(f"container {container.id} is already running")
        case Status.PAUSED:
            return Conflict("cannot start a paused container, try unpause instead")
        case Status.REMOVING:
            return Conflict("container is marked for removal and cannot be started")
        case Status.DEAD:
            return Conflict("container is dead and cannot be started")
        case Status.CREATED | Status.EXITED | Status.RESTARTING:
            return None


def _refuse_remove(container: Container) -> Exception | None:
    match container.state.status:
        case Status.RUNNING:
            return Conflict(
                "container is running: stop the container before removing or force remove"
            )
        case Status.PAUSED:
            return Conflict("container is paused and must be unpaused first")
        case Status.RESTARTING:
            return Conflict(
                "container is restarting: stop the container before removing or force remove"
            )
        case Status.CREATED | Status.EXITED | Status.DEAD | Status.REMOVING:
            return None


def _refuse_pause(container: Container) -> Exception | None:
    match container.state.status:
        case Status.RUNNING:
            return None
        case Status.PAUSED:
            return Conflict(f"Container {container.id} is already paused")
        case Status.RESTARTING:
            return Conflict(f"Container {container.id} is restarting, wait until it is running")
        case _:
            return Conflict(f"Container {container.id} is not running")


def _refuse_inside(verb: Verb, container: Container) -> Exception | None:
    match container.state.status:
        case Status.RUNNING:
            return None
        case Status.PAUSED if verb in (Verb.RESIZE, Verb.TOP):
            return None
        case Status.PAUSED:
            return Conflict(
                f"container {container.id} is paused, unpause the container before {verb.value}"
            )
        case Status.RESTARTING if verb is not Verb.RESIZE:
            return Conflict(
                f"Container {container.id} is restarting, wait until the container is running"
            )
        case Status.CREATED | Status.EXITED if verb is Verb.ATTACH:
            return None
        case _:
            return Conflict(f"container {container.id} is not running")
