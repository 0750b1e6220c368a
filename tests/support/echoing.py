"""An echo server in a container's sandbox, and a client that asks it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from support.daemon import Daemon
from support.netns import children

ECHO = """
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[1] == "udp" else socket.SOCK_STREAM
server = socket.socket(socket.AF_INET6, kind, 132 if sys.argv[1] == "sctp" else 0)
server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("::", 80))
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
        if sys.argv[1] == "sctp":  # which knows no half-close
            one.sendall(piece)
        else:
            total += piece
    if total:
        one.sendall(total)
    one.close()
"""

ASK = """
import hashlib, os, socket, sys
kind, address, port, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
protocol = 132 if kind == "sctp" else 0
one = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM, protocol)
one.settimeout(10)
one.connect((address, port))
data = os.urandom(size)
if kind != "tcp":
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
