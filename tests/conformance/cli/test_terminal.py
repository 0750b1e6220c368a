"""Terminal sessions: raw mode, window size, detach keys, and a terminal that is always restored."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import shlex
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.wharfie_command import command, environment

pytestmark = pytest.mark.root


class Terminal:
    """A client on a pseudo-terminal of 33 lines and 101 columns."""

    def __init__(self, argv: list[str], home: Path) -> None:
        self.master, self._slave = pty.openpty()
        self.resize(33, 101)
        self.before = termios.tcgetattr(self._slave)
        self.process = subprocess.Popen(
            argv,
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env=environment(home),
            start_new_session=True,
        )
        self.seen = b""

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def send(self, data: bytes) -> None:
        os.write(self.master, data)

    def wait_for(self, text: bytes, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while text not in self.seen:
            left = end - time.monotonic()
            assert left > 0, self.seen
            if select.select([self.master], [], [], left)[0]:
                self.seen += os.read(self.master, 65536)

    def wait_raw(self) -> None:
        """Wait until the client has switched the terminal to raw mode."""
        end = time.monotonic() + 20
        while termios.tcgetattr(self._slave)[3] & termios.ICANON:
            assert time.monotonic() < end
            select.select([], [], [], 0.01)

    def is_restored(self) -> bool:
        return termios.tcgetattr(self._slave) == self.before

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self._slave)


@contextlib.contextmanager
def session(daemon: Daemon, home: Path, *argv: str) -> Iterator[Terminal]:
    terminal = Terminal([*command(), "-H", daemon.host, *argv], home)
    try:
        yield terminal
    finally:
        terminal.close()


def test_a_shell_sees_our_size_and_its_code_comes_back(
    shared_daemon: Daemon, tmp_path: Path
) -> None:
    argv = ["run", "-it", "--rm", "busybox", "sh"]
    with session(shared_daemon, tmp_path, *argv) as terminal:
        terminal.wait_raw()
        terminal.send(b"stty size\n")
        terminal.wait_for(b"33 101\r\n")
        terminal.resize(20, 70)
        os.kill(terminal.process.pid, signal.SIGWINCH)
        while b"20 70\r\n" not in terminal.seen:  # each answer holds a size, old or new
            terminal.seen = b""
            terminal.send(b"stty size\n")
            terminal.wait_for(b"\r\n/ #")
        terminal.send(b"exit 9\n")
        assert terminal.process.wait(20) == 9
        assert terminal.is_restored()


def test_detach_keys_leave_the_container_running(shared_daemon: Daemon, tmp_path: Path) -> None:
    argv = ["run", "-it", "--name", "detached", "--rm", "busybox", "sh"]
    try:
        with session(shared_daemon, tmp_path, *argv) as terminal:
            terminal.wait_raw()
            terminal.send(b"echo al''ive\n")
            terminal.wait_for(b"alive")
            terminal.send(b"\x10\x11")
            assert terminal.process.wait(20) == 0
            assert terminal.is_restored()
        listed = shared_daemon.docker("ps", "-q", "--filter", "name=detached")
        assert listed.stdout.strip()
        with session(shared_daemon, tmp_path, "attach", "detached") as terminal:
            terminal.wait_raw()
            terminal.send(b"echo ag''ain\n")
            terminal.wait_for(b"again")
            terminal.send(b"\x10\x11")
            terminal.wait_for(b"read escape sequence")
            assert terminal.process.wait(20) == 0
    finally:
        shared_daemon.docker("rm", "-f", "detached")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_killed_client_restores_the_terminal(
    shared_daemon: Daemon, tmp_path: Path, number: signal.Signals
) -> None:
    argv = ["run", "-it", "--name", "left", "--rm", "busybox", "sh"]
    try:
        with session(shared_daemon, tmp_path, *argv) as terminal:
            terminal.wait_raw()
            terminal.process.send_signal(number)
            assert terminal.process.wait(20) == -number
            assert terminal.is_restored()
    finally:
        shared_daemon.docker("rm", "-f", "left")


def test_exec_on_a_terminal(shared_daemon: Daemon, tmp_path: Path) -> None:
    shared_daemon.docker("run", "-d", "--name", "host", "busybox", "sleep", "1000")
    try:
        with session(shared_daemon, tmp_path, "exec", "-it", "host", "sh") as terminal:
            terminal.wait_raw()
            terminal.send(b"tty; exit 4\n")
            terminal.wait_for(b"/dev/pts/")
            assert terminal.process.wait(20) == 4
            assert terminal.is_restored()
    finally:
        shared_daemon.docker("rm", "-f", "host")


def test_signals_reach_a_container_without_terminal(shared_daemon: Daemon, tmp_path: Path) -> None:
    script = "trap 'echo got it; exit 3' USR1; echo ready; while :; do sleep 0.1; done"
    argv = ["run", "-i", "--rm", "busybox", "sh", "-c", script]
    with subprocess.Popen(
        [*command(), "-H", shared_daemon.host, *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(tmp_path),
    ) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"ready\n"
        client.send_signal(signal.SIGUSR1)
        assert client.stdout.read() == b"got it\n"
        assert client.wait(20) == 3


def test_large_input_and_output_pass_unharmed(shared_daemon: Daemon, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 8
    done = subprocess.run(
        [*command(), "-H", shared_daemon.host, "run", "-i", "--rm", "busybox", "cat"],
        input=data,
        capture_output=True,
        env=environment(tmp_path),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout == data


def test_nobody_reading_ends_the_client(shared_daemon: Daemon, tmp_path: Path) -> None:
    shown = shlex.join([*command(), "-H", shared_daemon.host])
    done = subprocess.run(
        ["sh", "-c", f"{shown} run --rm busybox yes | head -n 1"],
        capture_output=True,
        env=environment(tmp_path),
        timeout=60,
        check=False,
    )
    assert done.stdout == b"y\n"
    assert b"Traceback" not in done.stderr
