"""A daemon behind HTTP_PROXY, HTTPS_PROXY or SOCKS: both clients ask the proxy the same."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.daemon import BIN, Daemon
from support.forward_proxy import ForwardProxy
from support.genuine_cli import docker_cli
from support.netns import inside

pytestmark = pytest.mark.root

WHARFIE = str(BIN / "wharfie")


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with Daemon(tls=True) as made:
        made.start()
        made.load_busybox()
        yield made


def plain(daemon: Daemon) -> Callable[[], socket.socket]:
    def connect() -> socket.socket:
        one = socket.socket(socket.AF_UNIX)
        one.connect(str(daemon.socket))
        return one

    return connect


def run(home: Path, program: str, *arguments: str, **environment: str) -> tuple[int, str, str]:
    kept = {name: os.environ[name] for name in ("PATH",)}
    done = subprocess.run(
        [program, *arguments],
        env={**kept, "HOME": str(home), "DOCKER_CONFIG": str(home), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_plain_requests_are_asked_of_the_proxy_with_their_url(
    daemon: Daemon, tmp_path: Path
) -> None:
    host = "tcp://daemon.example:2375"
    for name in ("HTTP_PROXY", "http_proxy"):
        seen = []
        for program in (docker_cli(), WHARFIE):
            with ForwardProxy(plain(daemon)) as proxy:
                variables = {name: f"http://me:s%20t@{proxy.address}", "DOCKER_HOST": host}
                code, out, err = run(tmp_path, program, "ps", "-q", **variables)
                assert (code, out) == (0, ""), err
                assert set(proxy.credentials) == {"Basic bWU6cyB0"}
                seen.append([re.sub(r"/v1\.\d+/", "/", one) for one in proxy.asked])
        assert seen[0] == seen[1]
        assert seen[1][0] == "HEAD http://daemon.example:2375/_ping"


def test_what_goes_over_tls_is_tunnelled(daemon: Daemon, tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / f"{name}.pem").write_bytes((daemon.certs / f"{name}.pem").read_bytes())
    for program in (docker_cli(), WHARFIE):
        with ForwardProxy(lambda: inside(daemon.namespaces, ("127.0.0.1", 2376))) as proxy:
            pair = ("--tlscert", f"{tmp_path}/cert.pem", "--tlskey", f"{tmp_path}/key.pem")
            variables = {"HTTPS_PROXY": proxy.address, "HTTP_PROXY": "http://127.0.0.1:1"}
            asked = ("-H", "tcp://daemon.example:2376", "--tls", *pair, "ps", "-q")
            code, out, err = run(tmp_path, program, *asked, **variables)
            assert (code, out) == (0, ""), err
            assert set(proxy.asked) == {"CONNECT daemon.example:2376"}


def test_socks(daemon: Daemon, tmp_path: Path) -> None:
    for program in (docker_cli(), WHARFIE):
        with ForwardProxy(plain(daemon)) as proxy:
            variables = {"HTTP_PROXY": f"socks5h://{proxy.address}"}
            asked = ("-H", "tcp://daemon.example:2375", "ps", "-q")
            code, out, err = run(tmp_path, program, *asked, **variables)
            assert (code, out) == (0, ""), err
            assert set(proxy.asked) == {"SOCKS daemon.example:2375"}


def test_attached_streams_go_through_a_tunnel(daemon: Daemon, tmp_path: Path) -> None:
    """Docker's client would go past the proxy, where there may be no way."""
    with ForwardProxy(plain(daemon)) as proxy:
        variables = {"HTTP_PROXY": proxy.address, "DOCKER_HOST": "tcp://daemon.example:2375"}
        words = ("run", "--rm", "--network", "none", "busybox", "echo", "through")
        code, out, err = run(tmp_path, WHARFIE, *words, **variables)
        assert (code, out) == (0, "through\n"), err
        assert "CONNECT daemon.example:2375" in proxy.asked


@pytest.mark.parametrize("excepted", ["*", "daemon.example", "daemon.example:2375", ".example"])
def test_exceptions_are_not_asked_of_the_proxy(tmp_path: Path, excepted: str) -> None:
    def nobody() -> socket.socket:
        raise ConnectionRefusedError

    for program in (docker_cli(), WHARFIE):
        with ForwardProxy(nobody) as proxy:
            variables = {"HTTP_PROXY": proxy.address, "NO_PROXY": excepted}
            asked = ("-H", "tcp://daemon.example:2375", "ps")
            code, _, err = run(tmp_path, program, *asked, **variables)
            assert code != 0
            assert "daemon.example" in err
            assert proxy.asked == []


def test_a_proxy_that_is_not_there_or_refuses(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes((daemon.certs / "ca.pem").read_bytes())

    def nobody() -> socket.socket:
        raise ConnectionRefusedError

    told = []
    for program in (docker_cli(), WHARFIE):
        asked = ("-H", "tcp://daemon.example:2375", "ps")
        code, _, err = run(tmp_path, program, *asked, HTTP_PROXY="http://127.0.0.1:1")
        assert code != 0
        told.append(err.splitlines()[0])
        with ForwardProxy(nobody, tunnels=False) as proxy:
            asked = ("-H", "tcp://daemon.example:2376", "--tls", "ps")
            variables = {"HTTPS_PROXY": proxy.address, "DOCKER_API_VERSION": "1.50"}
            code, _, err = run(tmp_path, program, *asked, **variables)
            assert code != 0
            told.append(err.splitlines()[0])
    assert told[:2] == told[2:]
    assert "Forbidden" in told[1]
