"""A11, exhaustion: idle, slow and never-reading clients cost bounded memory, and others are served.

Guard off: without time-outs and limits the same clients stay and are counted.
"""

import contextlib
import json
import os
import resource
import select
import socket
import time
from collections.abc import Iterator
from urllib.parse import quote as percent_encode

import pytest

from support.daemon import Daemon
from support.http_serving import connected, read_reply, serving
from wharfie.web import Limits, Response, TcpListener, UnixListener

IDLE = 10_000
SLOW = 1_000
MIB = 1024 * 1024


@pytest.fixture(scope="module", autouse=True)
def descriptors() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 1 << 16), hard))


def memory(daemon: Daemon) -> int:
    """Resident bytes of the daemon."""
    with open(f"/proc/{daemon.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def descriptors_of(daemon: Daemon) -> int:

    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


@contextlib.contextmanager
def crowd(daemon: Daemon, count: int, greeting: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections over the unix socket, each of which said this much."""
    clients: list[socket.socket] = []
    try:
        for _ in range(count):
            client = socket.socket(socket.AF_UNIX)
            clients.append(client)
            client.connect(str(daemon.socket))
            if greeting:
                client.sendall(greeting)
        yield clients
    finally:
        for client in clients:
            client.close()


def served(daemon: Daemon) -> float:
    """Seconds that a new client waits for its answer."""
    began = time.monotonic()
    assert daemon.request("GET", "/_ping", timeout=20) == (200, b"OK")
    return time.monotonic() - began


def test_ten_thousand_idle_and_a_thousand_slow_clients_cost_bounded_memory(daemon: Daemon) -> None:
    before = memory(daemon)
    with crowd(daemon, IDLE):
        served(daemon)
        idle = memory(daemon) - before
        # A head that never ends, a byte at a time: the worst there is.
        head = b"GET /_ping HTTP/1.1\r\nHost: h\r\nX: "
        with crowd(daemon, SLOW, head + b"y" * 1000) as slow:
            for client in slow:
                client.sendall(b"z")
            assert served(daemon) < 5
            together = memory(daemon) - before
    assert idle < IDLE * 12 * 1024, f"{idle / IDLE:.0f} bytes an idle client"
    assert together < IDLE * 12 * 1024 + SLOW * 64 * 1024
    for _ in range(100):
        if descriptors_of(daemon) < 500:
            break
        time.sleep(0.1)
    assert descriptors_of(daemon) < 500, "they are gone once their clients are"


@pytest.mark.parametrize(
    ("greeting", "waits"),
    [
        (b"", True),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: ", True),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", False),
    ],
    ids=["silent", "slow head", "idle between requests"],
)
@pytest.mark.parametrize("guard", [True, False])
def test_slow_clients_are_cut(tmp_path, greeting: bytes, waits: bool, guard: bool) -> None:
    path = str(tmp_path / "s")
    patience = 0.5 if guard else 600.0
    limits = Limits(head_timeout=patience, idle_timeout=patience)
    with (
        serving(lambda _: Response(200, b"hi"), [UnixListener(path=path)], limits=limits) as state,
        connected(path) as client,
    ):
        client.sendall(greeting)
        if not waits:
            read_reply(client)
        ended = bool(select.select([client], [], [], 5 if guard else 1.5)[0])
        assert ended is guard
        assert state.server.connections == (0 if guard and not waits else state.server.connections)


@pytest.mark.parametrize("limit", [5, 1000])
def test_a_flood_over_tcp_leaves_the_unix_socket_open(tmp_path, limit: int) -> None:
    path = str(tmp_path / "s")
    listeners = [UnixListener(path=path), TcpListener(host="127.0.0.1", port=0)]
    limits = Limits(connections=limit)
    ask = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    with (
        serving(lambda _: Response(200, b"hi"), listeners, limits=limits) as state,
        contextlib.ExitStack() as stack,
    ):
        answered = 0
        for _ in range(20):
            client = stack.enter_context(connected(("127.0.0.1", state.port)))
            with contextlib.suppress(ConnectionError, AssertionError):
                client.sendall(ask)
                answered += read_reply(client)[0] == 200
        assert answered == min(limit, 20), "with the guard off all of them stay"
        local = stack.enter_context(connected(path))
        local.sendall(ask)
        assert read_reply(local)[0] == 200


def test_large_and_strange_requests_are_bounded(daemon: Daemon) -> None:
    """A million labels, a hundred thousand filters, regular expressions, long queries."""
    daemon.load_busybox()
    before = memory(daemon)
    labels = {f"l{number}": "" for number in range(300_000)}
    assert daemon.request("POST", "/containers/create", {"Image": "busybox", "Labels": labels})[0] in (201, 400)  # noqa: E501 # fmt: skip
    million = {f"l{number}": "" for number in range(1_000_000)}
    status, _ = daemon.request(
        "POST", "/containers/create", {"Image": "busybox", "Labels": million}
    )
    assert status == 413
    for filters in (
        {"label": [f"l{number}" for number in range(9_000)]},
        {"name": ["(a+)+$" * 5, "[" * 3000, "(?:" * 3000]},
        {"id": ["x" * 100_000]},
    ):
        status, _ = daemon.request("GET", f"/containers/json?filters={quote(filters)}")
        assert status < 500
        assert served(daemon) < 5
    status, _ = daemon.request("GET", f"/containers/json?filters={'x' * 300_000}")
    assert status in (400, 414, 431)
    assert memory(daemon) - before < 900 * MIB
    for one in daemon.json("GET", "/containers/json?all=1"):
        daemon.request("DELETE", f"/containers/{one['Id']}?force=1")


def quote(filters: object) -> str:

    return percent_encode(json.dumps(filters))


def test_clients_that_never_read_are_waited_for_in_bounded_memory(daemon: Daemon) -> None:
    daemon.load_busybox()
    started = daemon.docker("run", "-d", "--name", "loud", "busybox", "yes", "x" * 200)
    assert started.returncode == 0, started.stderr
    paths = (
        "/containers/loud/logs?follow=1&stdout=1",
        "/events",
        "/containers/loud/stats",
        "/containers/loud/attach?stream=1&stdout=1",
    )
    with contextlib.ExitStack() as stack:
        for path in paths * 5:
            method = "POST" if "attach" in path else "GET"
            client = stack.enter_context(connected(str(daemon.socket)))
            client.sendall(f"{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        before = memory(daemon)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert served(daemon) < 5
            time.sleep(0.2)
        assert memory(daemon) - before < 60 * MIB
    daemon.docker("rm", "-f", "loud")
