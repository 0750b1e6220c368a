"""The daemon fixture itself, on a stand-in program: it starts, kills, and sees what is left."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import pinging_program
from support.daemon import Daemon
from support.netns import Namespaces

pytestmark = pytest.mark.root

PROGRAM = (sys.executable, str(Path(pinging_program.__file__)))


@pytest.fixture
def stand_in() -> Iterator[Daemon]:
    with Daemon(program=PROGRAM) as daemon:
        yield daemon


def test_a_daemon_is_started_stopped_and_started_again(stand_in: Daemon) -> None:
    stand_in.start()
    assert stand_in.json("GET", "/containers/json") == []
    assert stand_in.stop() == 0
    assert stand_in.leftovers() == {}
    stand_in.start()
    first = stand_in.pid
    stand_in.restart()
    assert stand_in.pid != first


def test_kill9_kills_the_daemon_and_nothing_else(stand_in: Daemon) -> None:
    stand_in.start("--leak")
    stand_in.kill9()
    assert stand_in.leftovers()["processes"] == ["sleep 1000"]
    stand_in.start()


def test_leftovers_are_seen(stand_in: Daemon) -> None:
    stand_in.start("--leak")
    stand_in.stop()
    assert stand_in.leftovers() == {
        "processes": ["sleep 1000"],
        "mounts": ["/mnt"],
        "veths": ["vethkael", "vethleak"],
        "tables": ["table ip leaked"],
    }


def test_nothing_outlives_the_fixture() -> None:
    with Daemon(program=PROGRAM) as daemon:
        daemon.start("--leak")
        inside = [daemon.namespaces.pid, daemon.pid, *daemon.namespaces.processes()]
        directory = daemon.directory
        assert len(inside) >= 4
    assert not [pid for pid in inside if os.path.exists(f"/proc/{pid}")]
    assert not directory.exists()
    assert "leaked" not in Path("/proc/self/mounts").read_text()


def test_a_daemon_that_dies_at_start_is_quoted(stand_in: Daemon) -> None:
    with pytest.raises(RuntimeError, match="no reason given"):
        stand_in.start("--die")


def test_two_namespaces_reach_each_other_and_nobody_else() -> None:
    with Namespaces() as one, Namespaces() as other:
        one.join(other, "10.99.0.1/24", "10.99.0.2/24")
        one.check("busybox", "ping", "-c1", "-W2", "10.99.0.2")
        assert one.links() == ["eth0"]
        assert one.run("busybox", "ping", "-c1", "-W1", "192.0.2.1").returncode != 0


def test_orphans_inside_are_reaped() -> None:
    with Namespaces() as inside:
        inside.check("sh", "-c", "(sleep 0.05 &) ; sleep 0.2")
        assert inside.processes() == {}
        zombies = inside.check("sh", "-c", "grep -l '^State:.*zombie' /proc/[0-9]*/status || true")
        assert zombies == ""
