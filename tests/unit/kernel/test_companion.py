"""A companion gets its connection, a log, and a session of its own."""

import os
import socket
import sys
from pathlib import Path

import pytest

from wharfie.kernel.companion import CONNECTION, spawn_companion

TALK = """
import os, socket, sys
number = int(sys.argv[sys.argv.index("--connection") + 1])
connection = socket.socket(fileno=number)
connection.send(b"%d" % (os.getsid(0) == os.getpid()))
connection.send(b"%d" % number)
print("said", flush=True)
"""


def test_it_talks_over_its_connection_and_logs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    pid, connection = spawn_companion([sys.executable, "-I", "-c", TALK], str(log))
    with connection:
        connection.settimeout(30)
        leads_its_session, number = connection.recv(100), connection.recv(100)
        assert connection.recv(100) == b"", "nobody else has the other end"
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert leads_its_session == b"1"
    assert int(number) == CONNECTION
    assert log.read_text() == "before\nsaid\n"


def test_what_cannot_be_started_leaves_nothing_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(FileNotFoundError):
        spawn_companion([sys.executable], str(tmp_path / "nowhere" / "log"))
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_the_pair_keeps_the_bounds_of_messages(tmp_path: Path) -> None:
    pid, connection = spawn_companion([sys.executable, "-I", "-c", TALK], str(tmp_path / "log"))
    with connection:
        assert connection.type == socket.SOCK_SEQPACKET
    os.waitpid(pid, 0)
