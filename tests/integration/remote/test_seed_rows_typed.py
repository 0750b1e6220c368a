"""Rows of the seeds, typed on a bare machine: B1, C1, C2, E3 to E6, E10, F2 to F5, F10."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from support.bare_machine import BareMachine
from support.daemon import BIN
from support.genuine_cli import docker_cli
from support.netns import poll

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

CLIENTS = ("docker", "wharfie")


@pytest.fixture(scope="module")
def machine() -> Iterator[BareMachine]:
    """With the six files of `cert create` in /root/tls."""
    programs = {name: str(BIN / "wharfied") for name in ("dockerd", "wharfied")}
    programs |= {"docker": docker_cli(), "wharfie": str(BIN / "wharfie")}
    with BareMachine(programs) as made:
        made.write("/etc/docker/daemon.json", f'{{"cgroup-parent": "/{made.cgroup}"}}')
        made.check("wharfie cert create --dir /root/tls --host localhost --host 127.0.0.1")
        yield made


@contextlib.contextmanager
def typed(machine: BareMachine, line: str, answers: str) -> Iterator[None]:
    """A daemon started by a line, until `answers` succeeds; it is stopped at the end."""
    machine.type(f"{line} &")
    try:
        for _ in poll(f"an answer after {line}", 30):
            if machine.type(answers).returncode == 0:
                break
        yield
    finally:
        machine.type("kill $(pidof dockerd)")
        for _ in poll("its end", 30):
            if machine.type("pidof dockerd").returncode:
                break


def test_without_a_word_it_listens_where_clients_look(machine: BareMachine) -> None:
    """B1: mode 0660, and gone at the end."""
    with typed(machine, "dockerd", "docker version"):
        assert machine.check("stat -c %a /var/run/docker.sock").strip() == "660"
        for client in CLIENTS:
            machine.check(f"{client} ps")
    assert machine.type("test -e /var/run/docker.sock").returncode


def test_ports_that_nobody_names(machine: BareMachine) -> None:
    """C1, C2: 2375 in the clear, 2376 with TLS, on both sides."""
    with typed(machine, "dockerd -H tcp://", "docker -H tcp:// version"):
        assert "127.0.0.1:2375" in machine.check("ss -Htln")
        machine.check("wharfie -H tcp:// ps")
    files = "--tlscacert=tls/ca.pem --tlscert=tls/{0}cert.pem --tlskey=tls/{0}key.pem"
    server, client = files.format("server-"), files.format("")
    # Docker's client takes 2376 only if no host is given at all, ours for every such address.
    with typed(
        machine, f"dockerd --tlsverify {server} -H tcp://", f"docker --tlsverify {client} ps"
    ):
        assert "127.0.0.1:2376" in machine.check("ss -Htln")
        for host in ("", "-H tcp://", "-H tcp://localhost"):
            machine.check(f"wharfie --tlsverify {client} {host} ps")


def test_tls_without_a_host_and_without_verified_clients(machine: BareMachine) -> None:
    """E3, E5, E6: the pair is found by DOCKER_CERT_PATH, and anybody is let in."""
    machine.check("mkdir -p pair; cp tls/server-cert.pem pair/cert.pem")
    machine.check("cp tls/server-key.pem pair/key.pem")
    with typed(
        machine,
        "DOCKER_CERT_PATH=/root/pair dockerd --tls",
        "curl -sf --cacert tls/ca.pem https://localhost:2376/_ping",
    ):
        assert "127.0.0.1:2376" in machine.check("ss -Htln")
        assert machine.check("curl -s --cacert tls/ca.pem https://localhost:2376/_ping") == "OK"
        plain = machine.check("curl -s http://localhost:2376/_ping")
        assert plain == "Client sent an HTTP request to an HTTPS server.\n"


def test_any_mention_of_tlsverify_means_tls(machine: BareMachine) -> None:
    """E4: `=false` encrypts and admits everybody, else clients are asked for a certificate."""
    files = "--tlscacert=tls/ca.pem --tlscert=tls/server-cert.pem --tlskey=tls/server-key.pem"
    ask = "curl -sf --cacert tls/ca.pem https://localhost:2376/_ping"
    certified = f"{ask} --cert tls/cert.pem --key tls/key.pem"
    with typed(machine, f"dockerd --tlsverify=false {files}", ask):
        assert machine.check(ask) == "OK"
    with typed(machine, f"dockerd --tlsverify {files}", certified):
        assert machine.type(ask).returncode == 56  # the handshake's end
        assert machine.check(certified) == "OK"


def test_mistakes_in_certificates_stop_the_start(machine: BareMachine) -> None:
    """E5, E10."""
    missing = machine.type("HOME=/nonexistent dockerd --tls")
    assert missing.returncode == 1
    assert "could not load X509 key pair" in missing.stderr
    crossed = machine.type("dockerd --tls --tlscert=tls/server-cert.pem --tlskey=tls/key.pem")
    assert crossed.returncode == 1
    assert "could not load X509 key pair" in crossed.stderr


@pytest.mark.parametrize("client", CLIENTS)
def test_what_stands_in_a_shells_start_file(machine: BareMachine, client: str) -> None:
    """F2 to F5, F10: the environment for good, for a while, and not at all."""
    files = "--tlscacert=tls/ca.pem --tlscert=tls/server-cert.pem --tlskey=tls/server-key.pem"
    certified = "curl -sf --cacert tls/ca.pem --cert tls/cert.pem --key tls/key.pem"
    with typed(
        machine, f"dockerd --tlsverify {files}", f"{certified} https://localhost:2376/_ping"
    ):
        machine.write(
            "/root/.profile",
            "export DOCKER_HOST=tcp://localhost:2376 DOCKER_TLS_VERIFY=1\n"
            "export DOCKER_CERT_PATH=/root/tls\n",
        )
        machine.check(f". ./.profile; {client} ps")
        refused = machine.type(f". ./.profile; unset DOCKER_HOST DOCKER_TLS_VERIFY; {client} ps")
        assert refused.returncode == 1
        assert "Is the docker daemon running?" in refused.stderr
        # F5: the same files where nobody has to name them.
        machine.check("mkdir -p .docker; cp tls/ca.pem tls/cert.pem tls/key.pem .docker/")
        machine.check(f"{client} --tlsverify -H tcp://localhost:2376 ps")
        machine.check("rm -r .docker .profile")
