"""Verbs on containers by the genuine CLI: output, codes and order of events."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.genuine_cli import docker_cli

pytestmark = pytest.mark.root


def output(daemon: Daemon, *arguments: str, stdin: str = "") -> str:
    done = daemon.docker(*arguments, stdin=stdin)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


@pytest.fixture
def box(shared_daemon: Daemon) -> Iterator[str]:
    """A running container that answers SIGTERM."""
    script = "trap 'exit 3' TERM; echo started; while :; do sleep 0.1; done"
    output(shared_daemon, "run", "-d", "--name", "box", "busybox", "sh", "-c", script)
    yield "box"
    shared_daemon.docker("rm", "-f", "box", "box2")


def status(daemon: Daemon, ref: str) -> str:
    return output(daemon, "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", ref).strip()


def test_stop_waits_for_the_containers_own_end(shared_daemon: Daemon, box: str) -> None:
    assert output(shared_daemon, "stop", box) == "box\n"
    assert status(shared_daemon, box) == "exited 3"
    assert output(shared_daemon, "start", box) == "box\n"
    assert output(shared_daemon, "restart", "-t", "2", box) == "box\n"
    assert output(shared_daemon, "kill", box) == "box\n"
    assert status(shared_daemon, box) == "exited 137"
    assert output(shared_daemon, "wait", box) == "137\n"


def test_pause_freezes_and_exec_is_refused(shared_daemon: Daemon, box: str) -> None:
    output(shared_daemon, "pause", box)
    assert "(Paused)" in output(shared_daemon, "ps", "--format", "{{.Status}}")
    refused = shared_daemon.docker("exec", box, "true")
    assert refused.returncode == 1
    assert "is paused, unpause the container before exec" in refused.stderr
    output(shared_daemon, "unpause", box)
    assert output(shared_daemon, "exec", box, "echo", "thawed") == "thawed\n"


def test_rename_and_remove(shared_daemon: Daemon, box: str) -> None:
    output(shared_daemon, "rename", box, "box2")
    refused = shared_daemon.docker("rm", "box2")
    assert refused.returncode == 1
    assert "stop the container before removing or force remove" in refused.stderr
    assert output(shared_daemon, "rm", "-f", "box2") == "box2\n"
    gone = shared_daemon.docker("inspect", "box2")
    assert (gone.returncode, gone.stdout.strip()) == (1, "[]")
    assert "No such object: box2" in gone.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [(["sh", "-c", "exit 9"], 9), (["nosuch"], 127), (["/etc/passwd"], 126), (["true"], 0)],
)
def test_exec_exit_codes(shared_daemon: Daemon, box: str, words: list[str], code: int) -> None:
    assert shared_daemon.docker("exec", box, *words).returncode == code


def test_exec_has_environment_user_and_directory(shared_daemon: Daemon, box: str) -> None:
    flags = ["-e", "A=7", "-u", "5", "-w", "/tmp"]
    shown = output(shared_daemon, "exec", *flags, box, "sh", "-c", "echo $A; id -u; pwd")
    assert shown == "7\n5\n/tmp\n"
    assert output(shared_daemon, "exec", "-i", box, "cat", stdin="in\n") == "in\n"


def test_logs_tail_since_and_follow(shared_daemon: Daemon) -> None:
    script = "for i in 1 2 3; do echo line $i; done; echo bad >&2; sleep 0.5; echo last"
    output(shared_daemon, "run", "-d", "--name", "talker", "busybox", "sh", "-c", script)
    try:
        followed = shared_daemon.docker("logs", "-f", "talker")
        assert followed.stdout == "line 1\nline 2\nline 3\nlast\n"
        assert followed.stderr == "bad\n"
        assert output(shared_daemon, "logs", "--tail", "1", "talker") == "last\n"
        stamped = output(shared_daemon, "logs", "-t", "--tail", "1", "talker")
        assert stamped.split(" ", 1)[1] == "last\n"
        assert output(shared_daemon, "logs", "--since", "1h", "talker").count("line") == 3
        assert output(shared_daemon, "logs", "--until", "1h", "talker") == ""
    finally:
        output(shared_daemon, "rm", "-f", "talker")


def test_ps_filters_and_formats(shared_daemon: Daemon, box: str) -> None:
    created = output(shared_daemon, "create", "--name", "idle", "--label", "k=v", "busybox", "true")
    try:
        table = output(shared_daemon, "ps", "-a")
        assert table.splitlines()[0].split("   ")[0] == "CONTAINER ID"
        names = ["ps", "-a", "--format", "{{.Names}}"]
        assert output(shared_daemon, *names, "--filter", "label=k=v") == "idle\n"
        running = output(shared_daemon, *names, "--filter", "status=running").split()
        assert box in running
        assert "idle" not in running
        derived = output(shared_daemon, *names, "--filter", "ancestor=busybox").split()
        assert {box, "idle"} <= set(derived)
        assert output(shared_daemon, "ps", "-aq", "--no-trunc", "-f", "name=idle") == created
        assert output(shared_daemon, "ps", "-lq").strip() == created[:12]
    finally:
        output(shared_daemon, "rm", "idle")


def test_copy_both_ways(shared_daemon: Daemon, box: str, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/file").write_text("content")
    output(shared_daemon, "cp", str(tmp_path / "dir"), f"{box}:/srv")
    assert output(shared_daemon, "exec", box, "cat", "/srv/file") == "content"
    output(shared_daemon, "cp", f"{box}:/srv/.", str(tmp_path / "back"))
    assert (tmp_path / "back/file").read_text() == "content"
    streamed = subprocess.run(
        [*shared_daemon.namespaces.command(docker_cli(), "-H", shared_daemon.host, "cp",
                                           f"{box}:/srv/file", "-")],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(streamed)) as archive:
        assert archive.getnames() == ["file"]
    missing = shared_daemon.docker("cp", f"{box}:/nowhere", str(tmp_path))
    assert missing.returncode == 1
    # Older clients make up words of their own for a 404.
    texts = ("Could not find the file /nowhere in container box", "No such container:path: box:/")
    assert any(text in missing.stderr for text in texts)
    output(shared_daemon, "stop", "-t", "1", box)
    output(shared_daemon, "cp", f"{box}:/srv/file", str(tmp_path / "stopped"))
    assert (tmp_path / "stopped").read_text() == "content"


def test_diff_top_port_and_export(shared_daemon: Daemon, box: str) -> None:
    output(shared_daemon, "exec", box, "sh", "-c", "echo x > /tmp/new; rm /etc/group")
    changes = output(shared_daemon, "diff", box).splitlines()
    assert {"A /tmp/new", "D /etc/group", "C /etc", "C /tmp"} <= set(changes)
    assert "PID" in output(shared_daemon, "top", box).splitlines()[0]
    assert output(shared_daemon, "port", box) == ""
    exported = subprocess.run(
        shared_daemon.namespaces.command(docker_cli(), "-H", shared_daemon.host, "export", box),
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    with tarfile.open(fileobj=io.BytesIO(exported)) as archive:
        assert "tmp/new" in archive.getnames()


def test_events_come_in_dockers_order(shared_daemon: Daemon) -> None:
    since = str(time.time())
    output(shared_daemon, "run", "--rm", "--name", "told", "busybox", "true")
    until = str(time.time() + 0.5)
    shown = output(shared_daemon, "events", "--since", since, "--until", until, "--format",
                   "{{.Type}} {{.Action}}")  # fmt: skip
    assert [line for line in shown.splitlines() if line.startswith("container")] == [
        "container create",
        "container attach",
        "container start",
        "container die",
        "container destroy",
    ]


def test_prune_removes_stopped_ones_only(shared_daemon: Daemon, box: str) -> None:
    ref = output(shared_daemon, "create", "busybox", "true").strip()
    assert ref in output(shared_daemon, "container", "prune", "-f")
    assert status(shared_daemon, box).startswith("running")


class Terminal:
    """The genuine CLI behind a pseudo-terminal."""

    def __init__(self, daemon: Daemon, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        argv = daemon.namespaces.command(docker_cli(), "-H", daemon.host, *arguments)
        self.process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)

    def send(self, data: bytes) -> None:
        os.write(self._master, data)

    def read_until(self, wanted: bytes, seconds: float = 20) -> bytes:
        seen, end = b"", time.monotonic() + seconds
        while wanted not in seen and time.monotonic() < end:
            if select.select([self._master], [], [], 0.2)[0]:
                try:
                    seen += os.read(self._master, 4096)
                except OSError:
                    break
        return seen

    def close(self) -> int:
        code = self.process.wait(20)
        os.close(self._master)
        return code


def test_a_terminal_inside(shared_daemon: Daemon) -> None:
    terminal = Terminal(shared_daemon, "run", "-it", "--rm", "busybox", "sh")
    terminal.send(b"tty; exit 7\n")
    assert b"/dev/pts/0" in terminal.read_until(b"/dev/pts/0\r\n")
    assert terminal.close() == 7


def test_detach_keys_leave_the_container_running(shared_daemon: Daemon) -> None:
    terminal = Terminal(shared_daemon, "run", "-it", "--name", "left", "busybox", "sh")
    try:
        terminal.send(b"echo rea''dy\n")
        assert b"ready" in terminal.read_until(b"ready\r\n")
        terminal.send(b"\x10\x11")
        assert terminal.close() == 0
        assert status(shared_daemon, "left").startswith("running")
        again = Terminal(shared_daemon, "attach", "left")
        again.send(b"exit 5\n")
        assert again.close() == 5
        shown = json.loads(output(shared_daemon, "inspect", "left"))[0]
        assert shown["State"]["ExitCode"] == 5
    finally:
        shared_daemon.docker("rm", "-f", "left")
