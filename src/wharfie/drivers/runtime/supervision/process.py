"""The supervisor as a process: how to start it, and to find one that runs."""

from __future__ import annotations

import os
import socket
import sys

import orjson

import wharfie
from wharfie.kernel.companion import spawn_companion
from wharfie.kernel.descriptors import unix_address
from wharfie.supervisor import protocol

_PROGRAM = "import sys;sys.path[:0]={paths!r};from wharfie.supervisor.main import main;main()"


def command(exec_root: str) -> list[str]:
    """The supervisor's command line.

    Without `site` an interpreter starts three times as fast and needs less memory; so the two
    places the supervisor imports from are named.
    """
    paths: list[str] = []
    for module in (wharfie, orjson):
        assert module.__file__ is not None
        place = os.path.dirname(os.path.dirname(os.path.abspath(module.__file__)))
        if place not in paths:
            paths.append(place)
    program = _PROGRAM.format(paths=paths)
    return [sys.executable, "-I", "-S", "-c", program, "--exec-root", exec_root]


def connect(exec_root: str) -> socket.socket | None:
    """A connection to the living supervisor, None when there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with unix_address(f"{exec_root}/{protocol.SOCKET_NAME}") as address:
            connection.connect(address)
    except (ConnectionRefusedError, FileNotFoundError):
        connection.close()
        return None
    except OSError:
        connection.close()
        raise
    return connection


def spawn(exec_root: str) -> tuple[int, socket.socket]:
    """Start a supervisor; returns its pid and a connection that may be used at once."""
    return spawn_companion(command(exec_root), f"{exec_root}/{protocol.LOG_NAME}")
