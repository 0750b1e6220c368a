"""Attaching over a WebSocket (behaviours 90)."""

from __future__ import annotations

import socket

import pytest

from support.daemon import Daemon
from support.websockets import (
    ACCEPTED,
    BINARY,
    CLOSE,
    TEXT,
    client_frame,
    handshake,
    server_frame,
)

pytestmark = pytest.mark.root


def attach(daemon: Daemon, path: str, **fields: str) -> tuple[socket.socket, bytes]:
    """Ask for a WebSocket; returns the connection and the answer's head."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(str(daemon.socket))
    client.sendall(handshake(path, **fields))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    return client, head


def test_b090_a_session_in_binary_frames_without_headers(shared_daemon: Daemon) -> None:
    script = "echo hello; read line; echo got $line; exit 4"
    box = shared_daemon.docker("create", "-i", "busybox", "sh", "-c", script).stdout.strip()
    client, head = attach(
        shared_daemon, f"/v1.51/containers/{box}/attach/ws?stream=1&stdin=1&stdout=1"
    )
    with client:
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert f"Sec-WebSocket-Accept: {ACCEPTED}\r\n".encode() in head
        shared_daemon.json("POST", f"/containers/{box}/start")
        assert server_frame(client) == (BINARY, b"hello\n")
        client.sendall(client_frame(TEXT, b"wo") + client_frame(BINARY, b"rd\n"))
        assert server_frame(client) == (BINARY, b"got word\n")
        assert server_frame(client) == (CLOSE, b"\x03\xe8")
    assert shared_daemon.json("POST", f"/containers/{box}/wait") == {"StatusCode": 4}
    shared_daemon.docker("rm", box)


def test_b090_old_clients_get_text_and_all_streams(shared_daemon: Daemon) -> None:
    script = "echo err >&2; sleep 600"
    box = shared_daemon.docker("run", "-d", "busybox", "sh", "-c", script).stdout.strip()
    client, _ = attach(shared_daemon, f"/v1.27/containers/{box}/attach/ws?stream=1&logs=1")
    with client:
        assert server_frame(client) == (TEXT, b"err\n")
    shared_daemon.docker("rm", "-f", box)


def test_refusals_come_before_the_handshake(shared_daemon: Daemon) -> None:
    box = shared_daemon.docker("create", "busybox", "true").stdout.strip()
    for path, fields, words in (
        ("nope/attach/ws?stream=1", {}, b" 404 "),
        (f"{box}/attach/ws?stream=1", {"Upgrade": "tcp"}, b" 400 "),
        (f"{box}/attach/ws?stream=1", {"Sec_WebSocket_Version": "8"}, b" 400 "),
        (f"{box}/attach/ws?stream=1&detachKeys=ctrl-!", {}, b" 400 "),
    ):
        client, head = attach(shared_daemon, f"/v1.51/containers/{path}", **fields)
        client.close()
        assert words in head.splitlines()[0]
    shared_daemon.docker("rm", box)


def test_a_stopping_daemon_does_not_wait_for_websockets(daemon: Daemon) -> None:
    daemon.load_busybox()
    box = daemon.docker("run", "-d", "busybox", "sleep", "600").stdout.strip()
    client, _ = attach(daemon, f"/containers/{box}/attach/ws?stream=1&stdout=1")
    with client:
        assert daemon.stop(8) == 0
