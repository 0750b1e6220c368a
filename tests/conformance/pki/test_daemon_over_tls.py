"""Mutual TLS to a real daemon: the docker CLI and our own, admitted and refused."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.daemon import BIN, Daemon
from support.genuine_cli import docker_cli
from support.tls import make_ca, save, sign_anything
from wharfie.pki.files import read_ca

pytestmark = pytest.mark.root

CLIENTS = ["docker", "wharfie"]
ADDRESS = "127.0.0.1:2376"


def program(name: str) -> str:
    return docker_cli() if name == "docker" else str(BIN / name)


def call(
    daemon: Daemon, client: str, flags: Sequence[str | Path], *arguments: str
) -> subprocess.CompletedProcess[str]:
    argv = [program(client), *map(str, flags), *arguments]
    home = str(daemon.directory / "nowhere")
    return daemon.namespaces.run(*argv, environment={"HOME": home, "DOCKER_CONFIG": home})


def with_certs(daemon: Daemon, cert: str | Path = "", key: str | Path = "") -> list[str | Path]:
    flags: list[str | Path] = ["-H", f"tcp://{ADDRESS}", "--tlsverify"]
    flags += ["--tlscacert", daemon.certs / "ca.pem"]
    return [*flags, "--tlscert", cert, "--tlskey", key] if cert else flags


@pytest.mark.parametrize("client", CLIENTS)
def test_a_certified_client_runs_a_container(shared_daemon: Daemon, client: str) -> None:
    flags = with_certs(
        shared_daemon, shared_daemon.certs / "cert.pem", shared_daemon.certs / "key.pem"
    )
    done = call(shared_daemon, client, flags, "run", "--rm", "-i", "busybox", "echo", "in")
    assert (done.returncode, done.stdout) == (0, "in\n"), done.stderr


@pytest.mark.parametrize("client", CLIENTS)
def test_output_goes_on_after_the_end_of_input(shared_daemon: Daemon, client: str) -> None:
    """Half-close through TLS: `sort` answers only when its input has ended."""
    flags = with_certs(
        shared_daemon, shared_daemon.certs / "cert.pem", shared_daemon.certs / "key.pem"
    )
    done = shared_daemon.namespaces.run(
        *map(str, [program(client), *flags, "run", "--rm", "-i", "busybox", "sort"]),
        stdin="b\na\n",
        environment={"HOME": "/nowhere", "DOCKER_CONFIG": "/nowhere"},
    )
    assert (done.returncode, done.stdout) == (0, "a\nb\n"), done.stderr


@pytest.mark.parametrize("client", CLIENTS)
def test_no_certificate_no_entry(shared_daemon: Daemon, client: str) -> None:
    done = call(shared_daemon, client, with_certs(shared_daemon), "ps")
    assert done.returncode == 1
    assert "remote error: tls: certificate required" in done.stderr


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("ca_name", "alert"),
    [
        ("stranger", "unknown certificate authority"),
        ("test", "error decrypting message"),  # posing as ours: OpenSSL finds a wrong signature
    ],
)
def test_a_certificate_of_another_ca_is_no_entry(
    shared_daemon: Daemon, client: str, tmp_path: Path, ca_name: str, alert: str
) -> None:
    pair = save(tmp_path, "stranger", sign_anything(make_ca(ca_name), "client"))
    done = call(shared_daemon, client, with_certs(shared_daemon, pair.cert, pair.key), "ps")
    assert done.returncode == 1
    assert f"remote error: tls: {alert}" in done.stderr


@pytest.mark.parametrize("client", CLIENTS)
def test_an_expired_certificate_is_no_entry(
    shared_daemon: Daemon, client: str, tmp_path: Path
) -> None:
    ca = read_ca(shared_daemon.certs)
    pair = save(tmp_path, "old", sign_anything(ca, "client", days=(-3, -1)))
    done = call(shared_daemon, client, with_certs(shared_daemon, pair.cert, pair.key), "ps")
    assert done.returncode == 1
    assert "expired certificate" in done.stderr


@pytest.mark.parametrize("client", CLIENTS)
def test_plain_http_to_the_tls_port_is_told_so(shared_daemon: Daemon, client: str) -> None:
    done = call(shared_daemon, client, ["-H", f"tcp://{ADDRESS}"], "ps")
    assert done.returncode == 1
    assert "Client sent an HTTP request to an HTTPS server." in done.stderr
