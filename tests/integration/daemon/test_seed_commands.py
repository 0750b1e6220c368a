"""The commands the seeds name, over every way in, and the odd ports: seeds A1, C6, C7, G11, K."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import BIN, Daemon
from support.genuine_cli import docker_cli
from support.wharfie_command import SOURCE

pytestmark = pytest.mark.root

PLAIN = "tcp://127.0.0.1:4243"


@pytest.fixture(scope="module")
def plain() -> Iterator[Daemon]:
    """Listens on a unix socket and, in the clear, on the port Docker had first (C6)."""
    with Daemon("-H", PLAIN) as daemon:
        daemon.start()
        daemon.load_busybox()
        yield daemon


@pytest.fixture(scope="module")
def encrypted() -> Iterator[Daemon]:
    """Listens with mutual TLS on 443 (C7)."""
    with Daemon(tls=True) as daemon:
        daemon.start("-H", "tcp://127.0.0.1:443")
        daemon.load_busybox()
        yield daemon


@pytest.fixture(params=["docker", "wharfie"])
def program(request: pytest.FixtureRequest) -> str:
    """The genuine client, and ours."""
    return docker_cli() if request.param == "docker" else str(BIN / "wharfie")


@pytest.fixture(params=["unix", "tcp", "tls"])
def client(request: pytest.FixtureRequest, program: str) -> tuple[Daemon, list[str]]:
    """A daemon, and how to call it: `-H …` before the verb, as in the seeds."""
    if request.param == "tls":
        daemon: Daemon = request.getfixturevalue("encrypted")
        certs = daemon.certs
        return daemon, [
            program, "--tlsverify", f"--tlscacert={certs}/ca.pem", f"--tlscert={certs}/cert.pem",
            f"--tlskey={certs}/key.pem", "-H=127.0.0.1:443",
        ]  # fmt: skip
    daemon = request.getfixturevalue("plain")
    return daemon, [program, "-H", daemon.host if request.param == "unix" else PLAIN]


def test_the_commands_of_the_seeds(client: tuple[Daemon, list[str]]) -> None:
    """K: info, version, ps, image ls, run -it --rm."""
    daemon, argv = client

    def say(*words: str) -> str:
        done = daemon.namespaces.run(*argv, *words, environment={"DOCKER_CONFIG": "/nonexistent"})
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "Server Version" in say("info")
    assert "Server" in say("version")
    assert " ".join(say("ps").split()) == ("CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS NAMES")
    head, *rows = say("image", "ls").splitlines()
    assert {"IMAGE", "ID"} <= set(head.split()) or {"REPOSITORY", "TAG"} <= set(head.split())
    assert any("busybox" in row for row in rows)
    assert say("run", "-i", "--rm", "busybox", "echo", "hello!") == "hello!\n"
    # With a terminal, as `docker run -it` has one: script(1) makes it.
    line = " ".join([*argv, "run", "-it", "--rm", "busybox", "echo", "hello!"])
    typed = daemon.namespaces.run("script", "-qec", line, "/dev/null")
    assert "hello!" in typed.stdout


@pytest.fixture
def anybodys(program: str) -> Iterator[list[str]]:
    """A client that another user can start: a copy outside of root's directories."""
    place = Path(tempfile.mkdtemp(prefix="anybody-", dir="/tmp"))
    if program == docker_cli():
        shutil.copy(program, place / "docker")
        start = [str(place / "docker")]
    else:
        shutil.copytree(SOURCE / "wharfie", place / "wharfie")
        code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from wharfie.cli.main import main"
        start = ["/usr/bin/python3", "-I", "-c", f"{code}; sys.exit(main())", str(place)]
    subprocess.run(["chmod", "-R", "a+rX", place], check=True)
    yield start
    shutil.rmtree(place)


def test_a_socket_one_may_not_use_is_told(plain: Daemon, anybodys: list[str]) -> None:
    """G11."""
    done = plain.namespaces.run(
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *anybodys,
        "-H", plain.host, "ps", environment={"HOME": "/nonexistent"},
    )  # fmt: skip
    assert done.returncode == 1
    first = done.stderr.splitlines()[0]
    assert "permission denied while trying to connect to the" in first
    assert f'{plain.host}: Get "http://%2F' in first
    assert first.endswith("connect: permission denied")


def test_the_daemon_is_told_from_the_client(plain: Daemon) -> None:
    """A1: two programs that share nothing but the API; curl alone is a client, too."""
    assert os.path.realpath(BIN / "wharfie") != os.path.realpath(BIN / "wharfied")
    assert plain.namespaces.check("curl", "-s", "http://127.0.0.1:4243/_ping") == "OK"
