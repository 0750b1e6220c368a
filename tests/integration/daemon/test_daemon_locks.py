"""One daemon per state, and what is left after a violent end: seeds D14–D17, G9."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import BIN, Daemon

pytestmark = pytest.mark.root


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with Daemon() as found:
        found.start()
        yield found


def second(daemon: Daemon, tmp_path: Path, **changed: Path) -> tuple[int, str]:
    """Start another daemon on the same state but for what is named; exit status and words."""
    places = {
        "data-root": daemon.data_root,
        "exec-root": daemon.exec_root,
        "pidfile": daemon.pidfile,
    } | {name.replace("_", "-"): path for name, path in changed.items()}
    flags = [word for name, path in places.items() for word in (f"--{name}", str(path))]
    done = daemon.namespaces.run(
        str(BIN / "wharfied"), "-H", f"unix://{tmp_path}/s.sock", *flags,
        "--config-file", str(daemon.directory / "none.json"), timeout=30,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_the_same_pid_file_is_refused_in_dockers_words(daemon: Daemon, tmp_path: Path) -> None:
    status, said = second(daemon, tmp_path)
    pid = daemon.pidfile.read_text()
    assert status == 1
    assert (
        f"failed to start daemon, ensure docker is not running or delete {daemon.pidfile}: "
        f"process with PID {pid} is still running" in said
    )
    assert daemon.request("GET", "/_ping") == (200, b"OK")


def test_the_volume_database_is_locked_whatever_the_pid_file(
    daemon: Daemon, tmp_path: Path
) -> None:
    begun = time.monotonic()
    status, said = second(daemon, tmp_path, exec_root=tmp_path / "exec", pidfile=tmp_path / "pid")
    assert status == 1
    assert (
        "failed to start daemon: error while opening volume store metadata database "
        f"({daemon.data_root}/volumes/metadata.db): timeout" in said
    )
    assert time.monotonic() - begun >= 1, "a daemon on its way out is given a second"
    assert not (tmp_path / "pid").exists()
    assert daemon.request("GET", "/_ping") == (200, b"OK")


def test_a_supervisor_serves_one_daemon(daemon: Daemon, tmp_path: Path) -> None:
    status, said = second(daemon, tmp_path, data_root=tmp_path / "data", pidfile=tmp_path / "pid")
    assert status == 1
    assert f"{daemon.exec_root} is in use by another daemon" in said


def test_after_kill_9_the_next_start_needs_no_help(daemon: Daemon) -> None:
    daemon.load_busybox()
    daemon.docker("run", "-d", "--name", "on", "--restart", "always", "busybox", "sleep", "1000")
    daemon.docker("run", "-d", "--rm", "--name", "gone", "busybox", "sleep", "1000")
    stale = daemon.pidfile.read_text()
    daemon.kill9()
    assert daemon.socket.exists()
    assert daemon.pidfile.read_text() == stale
    daemon.start()
    assert daemon.pidfile.read_text() != stale
    assert sorted(daemon.docker("ps", "--format", "{{.Names}}").stdout.split()) == ["gone", "on"]
    assert daemon.stop() == 0
    assert not daemon.socket.exists()
    assert not daemon.pidfile.exists()


def test_ten_restarts_in_a_row(daemon: Daemon) -> None:
    for turn in range(10):
        os.kill(daemon.pid, signal.SIGTERM if turn % 4 else signal.SIGKILL)
        daemon.wait_ended()
        daemon.start()
    assert daemon.log().count("Daemon has completed initialization") == 11
