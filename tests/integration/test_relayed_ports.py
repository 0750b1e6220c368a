"""Ports published on IPv6 for containers that have IPv4 alone: relayed by a program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from support.daemon import Daemon
from support.netns import children, poll

pytestmark = pytest.mark.root

ECHO = """
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[1] == "udp" else socket.SOCK_STREAM
server = socket.socket(socket.AF_INET, kind)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("0.0.0.0", 80))
print("ready", flush=True)
if kind == socket.SOCK_DGRAM:
    while True:
        data, peer = server.recvfrom(65536)
        server.sendto(data, peer)
server.listen()
while True:
    one, _ = server.accept()
    total = b""
    while piece := one.recv(65536):
        total += piece
    one.sendall(total)
    one.close()
"""

ASK = """
import hashlib, os, socket, sys
kind, address, port, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
one = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
one.settimeout(10)
one.connect((address, port))
data = os.urandom(size)
if kind == "udp":
    one.send(data)
    print(one.recv(65536) == data)
else:
    one.sendall(data)
    one.shutdown(socket.SHUT_WR)
    back = b""
    while piece := one.recv(65536):
        back += piece
    print(back == data)
"""


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with Daemon() as made:
        made.start()
        made.load_busybox()
        yield made


class Echo:
    """A container, and an echo server inside its sandbox."""

    def __init__(self, daemon: Daemon, name: str, kind: str, *flags: str) -> None:
        self._daemon, self._name = daemon, name
        done = daemon.wharfie("run", "-d", "--name", name, *flags, "busybox", "sleep", "600")
        assert done.returncode == 0, done.stderr
        pid = daemon.docker("inspect", "-f", "{{.State.Pid}}", name).stdout.strip()
        command = daemon.namespaces.command(
            "nsenter", "-t", pid, "-n", sys.executable, "-c", ECHO, kind
        )
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def __enter__(self) -> Echo:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._daemon.docker("rm", "-f", self._name).returncode == 0
        for pid in children(self._process.pid):
            os.kill(pid, signal.SIGKILL)
        self._process.communicate()


def ask(daemon: Daemon, kind: str, address: str, port: int, size: int = 100) -> bool:
    command = (sys.executable, "-c", ASK, kind, address, str(port), str(size))
    return daemon.namespaces.run(*command).stdout == "True\n"


@pytest.mark.parametrize(("kind", "size"), [("tcp", 3_000_000), ("udp", 1000)])
def test_b166_b167_a_port_is_reached_over_both_families(
    daemon: Daemon, kind: str, size: int
) -> None:
    with Echo(daemon, "echo", kind, "-p", f"8080:80/{kind}"):
        told = daemon.docker("port", "echo").stdout
        assert f"80/{kind} -> 0.0.0.0:8080" in told
        assert f"80/{kind} -> [::]:8080" in told
        assert ask(daemon, kind, "127.0.0.1", 8080, size)
        assert ask(daemon, kind, "::1", 8080, size)
    assert not ask(daemon, kind, "::1", 8080, 10)
    again = daemon.docker("run", "--rm", "-p", f"8080:80/{kind}", "busybox", "true")
    assert again.returncode == 0, again.stderr


def test_loopback_alone_and_allowed_blocks(daemon: Daemon) -> None:
    flags = ["-p", "[::1]:8081:80", "-p", "8082:80,allow-from=127.0.0.0/8"]
    flags += ["-p", "8083:80,allow-from=2001:db8::/32", "-p", "8084:80,allow-from=::1"]
    with Echo(daemon, "echo", "tcp", *flags):
        told = daemon.docker("port", "echo").stdout
        assert "[::]:8082" not in told
        assert ask(daemon, "tcp", "::1", 8081)
        assert not ask(daemon, "tcp", "::1", 8082)
        assert not ask(daemon, "tcp", "::1", 8083)
        assert ask(daemon, "tcp", "::1", 8084)


def test_it_goes_on_without_the_daemon_and_after_the_relay(daemon: Daemon) -> None:
    with Echo(daemon, "echo", "tcp", "-p", "8085:80"):
        daemon.kill9()
        assert ask(daemon, "tcp", "::1", 8085)
        daemon.start()
        assert ask(daemon, "tcp", "::1", 8085)
        running = daemon.namespaces.processes()
        (server,) = [pid for pid, name in running.items() if "wharfie.resolver" in name]
        os.kill(server, signal.SIGKILL)
        for _ in poll("the relay to be replaced", 10):
            if ask(daemon, "tcp", "::1", 8085):
                break
    assert not ask(daemon, "tcp", "::1", 8085)
