"""What is stuck, is stuck alone: a stopped supervisor, a frozen container, a dead mount."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from support import dead_mount
from support.daemon import BIN, Daemon
from support.netns import poll

pytestmark = pytest.mark.root


@pytest.fixture
def busy() -> Iterator[Daemon]:
    """A daemon of this test's own, with an image."""
    with Daemon() as own:
        own.start()
        own.load_busybox()
        yield own


def create(daemon: Daemon, *command: str, binds: list[str] | None = None) -> str:
    host = {"NetworkMode": "none", "Binds": binds or []}
    body = {"Image": "busybox", "Cmd": [*command], "HostConfig": host}
    return str(daemon.json("POST", "/containers/create", body)["Id"])  # type: ignore[index]


def run(daemon: Daemon) -> float:
    """Seconds of a whole container, its log, and a listing: somebody else's work."""
    started = time.monotonic()
    ref = create(daemon, "sh", "-c", "echo hello; exit 5")
    daemon.json("POST", f"/containers/{ref}/start")
    ended = daemon.json("POST", f"/containers/{ref}/wait")
    assert ended["StatusCode"] == 5  # type: ignore[index]
    assert daemon.request("GET", f"/containers/{ref}/logs?stdout=1")[1][8:] == b"hello\n"
    assert daemon.request("GET", f"/containers/{ref}/json")[0] == 200
    assert daemon.request("GET", "/containers/json?all=1")[0] == 200
    assert daemon.request("DELETE", f"/containers/{ref}")[0] == 204
    return time.monotonic() - started


def stuck(daemon: Daemon) -> str:
    """What `wharfied debug stuck` says."""
    argv = [str(BIN / "wharfied"), "debug", "stuck", "--exec-root", str(daemon.exec_root)]
    argv += ["--config-file", str(daemon.directory / "none.json")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def supervisor(daemon: Daemon) -> int:
    (pid,) = [
        pid for pid, name in daemon.namespaces.processes().items() if "wharfie.supervisor" in name
    ]
    return pid


def test_a_stopped_supervisor_is_continued(busy: Daemon) -> None:
    pid = supervisor(busy)
    os.kill(pid, signal.SIGSTOP)
    assert run(busy) < 10
    assert supervisor(busy) == pid
    assert "was stopped: continuing it" in busy.log()
    os.kill(pid, signal.SIGSTOP)
    for _ in poll("an idle supervisor to be continued"):
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            break


def test_a_supervisor_stopped_before_the_daemon_starts_is_continued(busy: Daemon) -> None:
    ref = create(busy, "sleep", "1000")
    busy.json("POST", f"/containers/{ref}/start")
    pid = supervisor(busy)
    busy.kill9()
    os.kill(pid, signal.SIGSTOP)
    busy.start()
    assert supervisor(busy) == pid
    assert run(busy) < 10


def freezer(daemon: Daemon, ref: str) -> Path:
    """The file that freezes a container's cgroup."""
    for group in daemon.cgroups():
        for name in ("freezer.state", "cgroup.freeze"):
            if group.name == ref and (group / name).exists():
                return group / name
    pytest.skip("no freezer on this host")


def test_a_container_frozen_behind_our_back_is_stopped_and_removed(busy: Daemon) -> None:
    for verb in ("stop?t=0", "kill"):
        ref = create(busy, "sleep", "1000")
        busy.json("POST", f"/containers/{ref}/start")
        file = freezer(busy, ref)
        file.write_text("FROZEN" if file.name == "freezer.state" else "1")
        try:
            assert run(busy) < 10
            started = time.monotonic()
            status, reply = busy.request("POST", f"/containers/{ref}/{verb}", timeout=60)
            assert status == 204, reply
            assert time.monotonic() - started < 8
            assert busy.request("DELETE", f"/containers/{ref}?force=1")[0] == 204
        finally:  # what is frozen cannot be killed with its namespace
            with contextlib.suppress(OSError):
                file.write_text("THAWED" if file.name == "freezer.state" else "0")


@contextlib.contextmanager
def mount_that_dies(daemon: Daemon) -> Iterator[tuple[Path, Path, IO[str]]]:
    """A mount inside the daemon's namespaces, and the file whose making kills it.

    The third is where it says "dead" once somebody is stuck in it.
    """
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no FUSE on this host")
    target, dead = daemon.directory / "mount", daemon.directory / "dead"
    target.mkdir()
    argv = [sys.executable, dead_mount.__file__, str(target), str(dead)]
    server = subprocess.Popen(daemon.namespaces.command(*argv), stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        if server.stdout.readline() != "mounted\n":
            pytest.skip("FUSE cannot be mounted here")
        yield target, dead, server.stdout
    finally:
        for pid, name in daemon.namespaces.processes().items():
            if "dead_mount" in name:
                os.kill(pid, signal.SIGKILL)
        server.communicate(timeout=30)


@pytest.fixture
def early() -> Iterator[Daemon]:
    """A daemon that is not started yet: mounts made now are in its supervisor's namespace too."""
    with Daemon() as own:
        yield own


@pytest.mark.timeout(120)
def test_a_dead_mount_holds_up_nobody_but_who_uses_it(early: Daemon) -> None:
    """Twenty requests stuck in a dead mount, and a container whose process is: others go on."""
    daemon = early
    with mount_that_dies(daemon) as (target, dead, says):
        daemon.start()
        daemon.load_busybox()
        script = "while [ ! -e /go ]; do sleep 0.05; done; cat /mnt/file"
        held = create(daemon, "sh", "-c", script, binds=[f"{target}:/mnt"])
        daemon.json("POST", f"/containers/{held}/start")
        dead.touch()
        assert daemon.docker("exec", held, "touch", "/go").returncode == 0
        # Before that a signal still ends it.
        assert says.readline() == "dead\n"
        answers: list[int] = []

        def ask(path: str, body: object = None) -> None:
            with contextlib.suppress(OSError):
                answers.append(daemon.request("POST", path, body, timeout=90)[0])

        body = {"Image": "busybox", "HostConfig": {"Binds": [f"{target}/file:/mnt"]}}
        asked: list[tuple[str, object]] = [("/containers/create", body)] * 12
        asked += [(f"/containers/{held}/stop?t=1", None), (f"/containers/{held}/kill", None)]
        threads = [threading.Thread(target=ask, args=one, daemon=True) for one in asked]
        for thread in threads:
            thread.start()
        told = (f"POST /containers/{held}/kill", f"container {held[:12]}")
        for _ in poll("the requests to be stuck, and to be told", 40):
            text = stuck(daemon)
            if text.count("request  ") >= len(asked) and all(one in text for one in told):
                break
        assert run(daemon) < 15
        assert daemon.json("GET", f"/containers/{held}/json")["State"]["Running"]  # type: ignore[index]
        os.kill(daemon.pid, signal.SIGUSR1)
        for _ in poll("the report in a file"):
            if list(daemon.exec_root.glob("goroutine-stacks-*.log")):
                break
        os.kill(daemon.pid, signal.SIGTERM)
        # The process itself ends only with its last thread, and those in the kernel cannot.
        for _ in poll("an orderly end", 40):
            if "Daemon shutdown complete" in daemon.log():
                break
    assert daemon.stop(seconds=20) == 0
    for thread in threads:
        thread.join(10)
    assert answers.count(503) + answers.count(500) == len(answers), answers


def test_a_client_that_does_not_read_holds_up_its_container_only(shared_daemon: Daemon) -> None:
    """A full pipe: the flood waits for its attached client, as with Docker; a stop does not."""
    ref = create(shared_daemon, "yes", "0123456789")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(shared_daemon.socket))
        head = f"POST /containers/{ref}/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\n"
        client.sendall(f"{head}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode())
        assert b" 101 " in client.recv(64)
        shared_daemon.json("POST", f"/containers/{ref}/start")
        assert run(shared_daemon) < 15
        started = time.monotonic()
        assert shared_daemon.request("POST", f"/containers/{ref}/stop?t=0")[0] == 204
        assert time.monotonic() - started < 10
    assert shared_daemon.request("DELETE", f"/containers/{ref}?force=1")[0] == 204


def test_asking_without_a_daemon_says_so(tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("{}")
    argv = [str(BIN / "wharfied"), "debug", "stuck", "--exec-root", str(tmp_path)]
    argv += ["--config-file", str(tmp_path / "none.json")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "cannot ask the daemon" in done.stderr
