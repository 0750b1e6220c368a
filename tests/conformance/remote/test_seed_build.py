"""The remote build of the seeds, word for word: over TLS, from another folder, by both clients."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from support.daemon import BIN, Daemon
from support.genuine_cli import docker_cli

pytestmark = pytest.mark.root

# As the tutorial has it.
DOCKERFILE = """FROM busybox

COPY ./test.txt /

CMD cat /test.txt
"""


@pytest.mark.parametrize("client", ["docker", "wharfie"])
def test_the_remote_build_of_the_seeds(shared_daemon: Daemon, tmp_path: Path, client: str) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "test.txt").write_text("hello!\n")
    program = docker_cli() if client == "docker" else str(BIN / "wharfie")
    environment = [
        f"DOCKER_HOST={shared_daemon.tls_host}",
        "DOCKER_TLS_VERIFY=1",
        f"DOCKER_CERT_PATH={shared_daemon.certs}",
    ]

    def run(*words: str, tty: bool = False) -> subprocess.CompletedProcess[str]:
        argv = ["env", "-C", str(tmp_path), *environment, program, *words]
        if tty:
            argv = ["script", "-qec", " ".join(argv), "/dev/null"]
        return subprocess.run(
            shared_daemon.namespaces.command(*argv),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    name = f"khs1994/busybox-{client}"
    built = run("build", "-t", name, ".")
    assert built.returncode == 0, built.stderr
    listed = run("image", "ls", name).stdout.splitlines()
    assert re.fullmatch(rf"{name} +latest +[0-9a-f]{{12}} +.* ago +[0-9.]+MB *", listed[1])
    ran = run("run", "-it", "--rm", name, tty=True)
    # script, which lends the terminal, types a NUL at the end of its input, which may be echoed.
    assert (ran.returncode, ran.stdout.replace("^@", "")) == (0, "hello!\n"), ran
    assert run("rmi", name).returncode == 0
