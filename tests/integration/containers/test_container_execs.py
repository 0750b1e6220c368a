"""Exec instances of real containers: what survives the daemon, and who says how output looks."""

from __future__ import annotations

import json
import socket

import pytest

from support.daemon import Daemon
from support.netns import poll
from wharfie.formats.stdcopy import Decoder

pytestmark = pytest.mark.root


def create(daemon: Daemon, container: str, *command: str, **options: object) -> str:
    body = {"Cmd": command, "AttachStdout": True, "AttachStderr": True, **options}
    made = daemon.json("POST", f"/containers/{container}/exec", body)
    assert isinstance(made, dict)
    return str(made["Id"])


def start(daemon: Daemon, exec_id: str, **body: object) -> socket.socket:
    """Start an instance; returns the connection, right behind the answer's head."""
    data = json.dumps({"Detach": False, **body})
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(str(daemon.socket))
    client.sendall(
        f"POST /exec/{exec_id}/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\n"
        f"Upgrade: tcp\r\nConnection: Upgrade\r\nContent-Length: {len(data)}\r\n\r\n{data}".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    assert head.startswith(b"HTTP/1.1 101 UPGRADED\r\n"), head
    return client


def rest(client: socket.socket) -> bytes:
    with client:
        return b"".join(iter(lambda: client.recv(65536), b""))


def inspect(daemon: Daemon, exec_id: str) -> dict:
    found = daemon.json("GET", f"/exec/{exec_id}/json")
    assert isinstance(found, dict)
    return found


def test_b074_execs_survive_their_daemon(daemon: Daemon) -> None:
    daemon.load_busybox()
    box = daemon.docker("run", "-d", "busybox", "sleep", "600").stdout.strip()
    created = create(daemon, box, "echo", "later")
    ended = create(daemon, box, "sh", "-c", "exit 7")
    rest(start(daemon, ended))
    running = create(daemon, box, "sh", "-c", "echo up; read line; echo got $line; exit 5",
                     AttachStdin=True)  # fmt: skip
    client = start(daemon, running)
    frames = Decoder()
    assert [frame.payload for frame in frames.feed(client.recv(4096))] == [b"up\n"]
    daemon.kill9()
    daemon.start()
    assert inspect(daemon, ended)["ExitCode"] == 7
    assert inspect(daemon, running)["Running"] is True
    client.sendall(b"word\n")
    client.shutdown(socket.SHUT_WR)
    assert [frame.payload for frame in frames.feed(rest(client))] == [b"got word\n"]
    found = inspect(daemon, running)
    assert (found["Running"], found["ExitCode"], found["ContainerID"]) == (False, 5, box)
    assert b"later" in rest(start(daemon, created))
    daemon.docker("rm", "-f", box)
    assert daemon.request("GET", f"/exec/{ended}/json")[0] == 404


@pytest.mark.parametrize("tty", [False, True])
def test_b081_the_start_says_whether_a_terminals_output_is_framed(
    shared_daemon: Daemon, tty: bool
) -> None:
    box = shared_daemon.docker("run", "-d", "busybox", "sleep", "600").stdout.strip()
    output = rest(start(shared_daemon, create(shared_daemon, box, "tty", Tty=True), Tty=tty))
    if not tty:
        (frame,) = Decoder().feed(output)
        assert frame.stream == 1
        output = frame.payload
    assert output == b"/dev/pts/0\r\n"
    shared_daemon.docker("rm", "-f", box)


def test_b075_an_exec_without_any_stream_runs(shared_daemon: Daemon) -> None:
    box = shared_daemon.docker("run", "-d", "busybox", "sleep", "600").stdout.strip()
    body = {"Cmd": ["sh", "-c", "echo unheard; exit 3"]}
    made = shared_daemon.json("POST", f"/containers/{box}/exec", body)
    assert isinstance(made, dict)
    assert rest(start(shared_daemon, made["Id"])) == b""
    for _ in poll("the exit code", 10):
        if inspect(shared_daemon, made["Id"])["ExitCode"] is not None:
            break
    assert inspect(shared_daemon, made["Id"])["ExitCode"] == 3
    shared_daemon.docker("rm", "-f", box)
