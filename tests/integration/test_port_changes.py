"""Published ports changed while a container runs, and told about."""

from __future__ import annotations

import json

import pytest

from support.daemon import Daemon
from support.netns import poll

pytestmark = pytest.mark.root


def ok(daemon: Daemon, *arguments: str) -> str:
    done = daemon.wharfie(*arguments)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def fetch(daemon: Daemon, port: int) -> bool:
    url = f"http://127.0.0.1:{port}/"
    done = daemon.namespaces.run("/bin/busybox", "wget", "-qO-", url)
    return "404" in done.stderr


def bound(daemon: Daemon, name: str) -> set[str]:
    return set(daemon.docker("port", name).stdout.split("\n")) - {""}


def test_ports_come_and_go_while_a_container_runs(daemon: Daemon) -> None:
    daemon.load_busybox()
    ok(daemon, "run", "-d", "--name", "web", "-p", "8080:80", "busybox", "httpd", "-f", "-p", "80")
    ok(daemon, "run", "-d", "--name", "other", "-p", "8099:80", "busybox", "sleep", "600")
    for _ in poll("httpd to listen", 10):
        if fetch(daemon, 8080):
            break
    ok(daemon, "update", "--publish-add", "8081:80", "web")
    assert fetch(daemon, 8081)
    assert fetch(daemon, 8080)
    told = daemon.wharfie("update", "--publish-add", "8082:80", "--publish-add", "8099:80", "web")
    assert "port is already allocated" in told.stderr
    assert not fetch(daemon, 8082)
    ok(daemon, "update", "--publish-rm", "8080:80", "web")
    assert not fetch(daemon, 8080)
    assert fetch(daemon, 8081)
    assert (
        "is not published like this"
        in daemon.wharfie("update", "--publish-rm", "8080:80", "web").stderr
    )
    assert bound(daemon, "web") == {"80/tcp -> 0.0.0.0:8081", "80/tcp -> [::]:8081"}
    # It stays so over restarts of container and daemon.
    daemon.kill9()
    daemon.start()
    assert fetch(daemon, 8081)
    ok(daemon, "restart", "-t", "0", "web")
    for _ in poll("httpd to listen", 10):
        if fetch(daemon, 8081):
            break
    assert bound(daemon, "web") == {"80/tcp -> 0.0.0.0:8081", "80/tcp -> [::]:8081"}
    ok(daemon, "update", "--publish-rm", "80", "web")
    assert bound(daemon, "web") == set()
    assert not fetch(daemon, 8081)
    # Somebody else may have the port now.
    ok(daemon, "run", "-d", "-p", "8081:80", "busybox", "sleep", "600")


def test_an_audit_tells_who_reaches_what(daemon: Daemon) -> None:
    daemon.load_busybox()
    ok(
        daemon, "run", "-d", "--name", "web", "-p", "8080:80", "-p", "127.0.0.1:8081:81",
        "-p", "8082:82,allow-from=10.0.0.0/8,allow-from=192.0.2.7", "busybox", "sleep", "600",
    )  # fmt: skip
    ok(daemon, "run", "-d", "--name", "hosted", "--network", "host", "busybox", "sleep", "600")
    lines = [line.split("  ") for line in ok(daemon, "port", "audit").splitlines()]
    rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert rows[0] == ["REACHABLE FROM", "HOST ADDRESS", "CONTAINER", "PORT"]
    assert rows[1:] == [
        ["EVERYBODY", "0.0.0.0:8080", "web", "80/tcp"],
        ["EVERYBODY", "[::]:8080", "web", "80/tcp"],
        ["EVERYBODY", "all of the host's", "hosted", "whatever it listens on"],
        ["10.0.0.0/8, 192.0.2.7/32", "0.0.0.0:8082", "web", "82/tcp"],
        ["this host", "127.0.0.1:8081", "web", "81/tcp"],
    ]
    shown = json.loads(daemon.docker("inspect", "web").stdout)[0]
    assert shown["HostConfig"]["PortBindings"]["80/tcp"] == [{"HostIp": "", "HostPort": "8080"}]
    told = daemon.wharfie("run", "--rm", "-p", "80:80,allow-from=nobody", "busybox", "true")
    assert "invalid allow-from" in told.stderr
