"""A4, cross-site requests and DNS rebinding: a victim's browser must not be a way in.

Guard off: the same requests to a daemon that was told the attacker's name, or over the unix
socket, where no browser comes from, are answered.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import BIN, Daemon

pytestmark = pytest.mark.root

TCP = "http://127.0.0.1:2375"
TLS = "https://127.0.0.1:2376"
CREATE = json.dumps({"Image": "busybox", "HostConfig": {"Privileged": True}})


@pytest.fixture(scope="module")
def listening() -> Iterator[Daemon]:
    with Daemon("-H", "tcp://127.0.0.1:2375") as daemon:
        daemon.start()
        yield daemon


@pytest.fixture(scope="module")
def encrypted() -> Iterator[Daemon]:
    with Daemon(tls=True) as daemon:
        daemon.start()
        yield daemon


@pytest.fixture(scope="module")
def unguarded() -> Iterator[Daemon]:
    """Was told that the attacker's name is its own."""
    with Daemon("-H", "tcp://127.0.0.1:2375", "--allowed-host", "evil.test") as daemon:
        daemon.start()
        yield daemon


def ask(daemon: Daemon, *arguments: str) -> tuple[int, str]:
    """Status and body, by curl."""
    done = daemon.namespaces.run("curl", "-sS", "-w", "\n%{http_code}", *arguments)
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


PATHS = ["/_ping", "/containers/json", "/v1.41/info", "/nonsense"]


@pytest.mark.parametrize("path", PATHS)
def test_a_rebound_name_is_refused(listening: Daemon, unguarded: Daemon, path: str) -> None:
    rebound = ["-H", "Host: evil.test:2375", TCP + path]
    status, body = ask(listening, *rebound)
    assert status == 403
    assert "allowed-hosts" in json.loads(body)["message"]
    expected = 404 if path == "/nonsense" else 200
    assert ask(listening, TCP + path)[0] == expected
    assert ask(unguarded, *rebound)[0] == expected


@pytest.mark.parametrize(
    "attack",
    [
        ["-H", "Origin: https://evil.test"],
        ["-H", "Origin: null"],
        ["-H", "Sec-Fetch-Site: cross-site"],
        ["-H", "Sec-Fetch-Site: same-site"],
        ["-H", "Referer: http://evil.test/"],
    ],
)
@pytest.mark.parametrize(
    "request_",
    [
        ["-X", "POST", "-H", "Content-Type: text/plain", "-d", CREATE, "/containers/create"],
        ["-F", "a=b", "/build"],
        ["-X", "OPTIONS", "-H", "Access-Control-Request-Method: DELETE", "/containers/x"],
        ["/containers/json"],
    ],
    ids=["simple POST", "form POST", "preflight", "GET"],
)
def test_a_page_of_another_site_is_refused(
    listening: Daemon, encrypted: Daemon, attack: list[str], request_: list[str]
) -> None:
    *options, path = request_
    certs = ("--cacert", "ca"), ("--cert", "cert"), ("--key", "key")
    with_certificate = [
        word for flag, name in certs for word in (flag, f"{encrypted.certs / name}.pem")
    ]
    for daemon, url in ((listening, [TCP + path]), (encrypted, [*with_certificate, TLS + path])):
        status, body = ask(daemon, "-i", *attack, *options, *url)
        assert status == 403, body
        assert "access-control-" not in body.lower()
        # The twin without the browser's marks passes the guard, whatever it is answered then.
        assert ask(daemon, *options, *url)[0] != 403
    # The guard does not stand before the unix socket: there the attack reaches the engine.
    socket = ["--unix-socket", str(listening.socket)]
    assert ask(listening, *socket, *attack, *options, TCP + path)[0] != 403


def test_the_simple_post_did_create_nothing(listening: Daemon) -> None:
    assert listening.json("GET", "/containers/json?all=1") == []


def test_called_as_dockerd_clients_by_any_name_are_served_but_browsers_are_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "dockerd").symlink_to(BIN / "wharfied")
    with Daemon("-H", "tcp://127.0.0.1:2375", program=[str(tmp_path / "dockerd")]) as daemon:
        daemon.start()
        by_name = ["-H", "Host: tower.lan:2375", f"{TCP}/_ping"]
        assert ask(daemon, *by_name) == (200, "OK")
        assert ask(daemon, "-A", "Mozilla/5.0 (X11; Linux)", *by_name)[0] == 403
