"""Companion processes: programs of ours that outlive the daemon, reached over one socket.

A companion is started as the leader of a session of its own, with the other end of a
SOCK_SEQPACKET pair as a known descriptor, nothing on its standard input, and a log file as
standard output and error. Source: posix_spawn(3).
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence

CONNECTION = 3
"""The descriptor of the connection inside the companion; it is told as `--connection`."""


def spawn_companion(command: Sequence[str], log: str) -> tuple[int, socket.socket]:
    """Start a companion; returns its pid and a connection that may be used at once.

    Args:
        command: the interpreter and its arguments.
        log: absolute path of a file that is appended to.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # Above all numbers that are assigned below, so that none is overwritten before its turn.
    passed = os.dup(theirs.fileno()) if theirs.fileno() <= CONNECTION else theirs.fileno()
    try:
        pid = os.posix_spawn(
            sys.executable,
            [*command, "--connection", str(CONNECTION)],
            {"PATH": os.environ.get("PATH", os.defpath), "MALLOC_ARENA_MAX": "1"},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, passed, CONNECTION),
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=[],
        )
    except OSError:
        ours.close()
        raise
    finally:
        if passed != theirs.fileno():
            os.close(passed)
        theirs.close()
    return pid, ours
