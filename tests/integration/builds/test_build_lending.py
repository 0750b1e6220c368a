"""What `wharfie build` lends: secrets, ssh agents, further contexts; over every transport."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from support.building import write
from support.daemon import Daemon

pytestmark = pytest.mark.root


def transport(daemon: Daemon, name: str) -> list[str]:
    """Global flags that reach a daemon."""
    if name == "unix":
        return []
    return [
        "-H",
        daemon.tls_host,
        "--tlsverify",
        f"--tlscacert={daemon.certs}/ca.pem",
        f"--tlscert={daemon.certs}/cert.pem",
        f"--tlskey={daemon.certs}/key.pem",
    ]


def wharfie(
    daemon: Daemon, over: str, *words: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`wharfie` inside, with more environment."""
    env = [f"{name}={value}" for name, value in environment.items()]
    host = transport(daemon, over) or ["-H", daemon.host]
    program = Path(__file__).parents[3] / ".venv/bin/wharfie"
    return subprocess.run(
        daemon.namespaces.command("env", *env, str(program), *host, *words),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("over", ["unix", "tls"])
def test_the_seed_over_every_transport(shared_daemon: Daemon, tmp_path: Path, over: str) -> None:
    folder = write(
        tmp_path,
        {
            "Dockerfile": "FROM busybox\n\nCOPY ./test.txt /\n\nCMD cat /test.txt\n",
            "test.txt": "hello!\n",
        },
    )
    name = f"lent/{over}"
    built = wharfie(shared_daemon, over, "build", "-t", name, str(folder))
    assert built.returncode == 0, built.stderr
    assert wharfie(shared_daemon, over, "run", "--rm", name).stdout == "hello!\n"


@pytest.mark.parametrize("over", ["unix", "tls"])
def test_secrets_are_lent_and_leave_no_trace(
    shared_daemon: Daemon, tmp_path: Path, over: str
) -> None:
    secret = f"s3cr3t-{os.urandom(8).hex()}"
    text = (
        "FROM busybox\n"
        "RUN --mount=type=secret,id=token wc -c < /run/secrets/token\n"
        'RUN --mount=type=secret,id=var,env=VAR test -n "$VAR"\n'
        "RUN --mount=type=secret,id=none test ! -e /run/secrets/none\n"
        "RUN test ! -e /run/secrets/token\n"
    )
    folder = write(tmp_path / "c", {"Dockerfile": text})
    (tmp_path / "token").write_text(secret)
    done = wharfie(
        shared_daemon,
        over,
        "build",
        "--no-cache",
        "-t",
        "secretive",
        f"--secret=id=token,src={tmp_path}/token",
        "--secret=id=var,env=OTHER",
        str(folder),
        OTHER=secret,
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(secret)}\n" in done.stderr
    assert secret not in done.stderr
    for where in (shared_daemon.data_root, shared_daemon.exec_root):
        grep = subprocess.run(
            ["grep", "-rlaF", secret, str(where)], capture_output=True, text=True, check=False
        )
        assert grep.stdout == ""
    assert secret not in shared_daemon.log()


def test_a_required_secret_that_is_not_lent_fails(shared_daemon: Daemon, tmp_path: Path) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,id=absent,required=true true\n"
    folder = write(tmp_path, {"Dockerfile": text})
    done = wharfie(shared_daemon, "unix", "build", str(folder))
    assert done.returncode == 1
    assert "absent" in done.stderr


@pytest.mark.parametrize("over", ["unix", "tls"])
def test_ssh_agents_are_lent(shared_daemon: Daemon, tmp_path: Path, over: str) -> None:
    text = (
        "FROM busybox\n"
        'RUN --mount=type=ssh,required=true test -S "$SSH_AUTH_SOCK"\n'
        'RUN test -z "$SSH_AUTH_SOCK"\n'
    )
    folder = write(tmp_path / "c", {"Dockerfile": text})
    words = ["build", "--no-cache", str(folder)]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "agent"))
        listener.listen(8)
        where = f"--ssh=default={tmp_path}/agent"
        done = wharfie(shared_daemon, over, *words, where)
    assert done.returncode == 0, done.stderr
    assert wharfie(shared_daemon, over, *words).returncode == 1


def test_further_contexts_are_lent(shared_daemon: Daemon, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "c",
        {"Dockerfile": "FROM base\nCOPY --from=lib x /x\nRUN cat /x\n", "x": "not this"},
    )
    other = write(
        tmp_path / "lib", {"x": "from the library", ".dockerignore": "secret", "secret": ""}
    )
    done = wharfie(
        shared_daemon,
        "unix",
        "build",
        f"--build-context=lib={other}",
        "--build-context=base=docker-image://busybox",
        "--progress=plain",
        str(folder),
    )
    assert done.returncode == 0, done.stderr
    assert "from the library" in done.stderr
