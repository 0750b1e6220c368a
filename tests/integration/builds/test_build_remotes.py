"""Builds of what lies elsewhere: contexts of git and the web, base images of a registry."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import BIN, Daemon

pytestmark = pytest.mark.root
WEB = "http://127.0.0.1:8099"
_IDENTITY = {
    f"GIT_{who}_{what}": f"{what.lower()}@example.invalid"
    for who in ("AUTHOR", "COMMITTER")
    for what in ("NAME", "EMAIL")
}
_PUBLISH = """
cd source && git init -q -b main && git add . && git commit -q -m one
git clone -q --bare . ../repository.git
cd ../repository.git && git update-server-info
cd ../source/below && tar czf ../../context.tar.gz .
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon beside a web server with a repository, an archive, a Dockerfile; a registry."""
    folder = tmp_path_factory.mktemp("web")
    below = folder / "source" / "below"
    below.mkdir(parents=True)
    (below / "Dockerfile").write_text("FROM busybox\nCOPY f /f\nCMD cat /f\n")
    (below / "f").write_text("from elsewhere\n")
    (folder / "file.txt").write_text("a file\n")
    (folder / "Dockerfile").write_text(f"FROM busybox\nADD {WEB}/file.txt /f\nCMD cat /f\n")
    subprocess.run(["sh", "-ec", _PUBLISH], cwd=folder, env={**os.environ, **_IDENTITY}, check=True)
    with Daemon() as daemon:
        daemon.start()
        daemon.load_busybox()
        served = f"cd {folder} && exec python3 -m http.server 8099 --bind 127.0.0.1"
        stored = f"exec {BIN}/wharfie-registry serve --addr 127.0.0.1:5000 --root {folder}/registry"
        asked = (
            "for i in $(seq 200); do curl -fs $0 > /dev/null && exit 0; sleep 0.05; done; exit 1"
        )
        for command, url in ((served, f"{WEB}/"), (stored, "http://127.0.0.1:5000/v2/")):
            # They end with the namespaces they run in.
            daemon.namespaces.run("sh", "-c", f"({command}) > /dev/null 2>&1 &")
            assert daemon.namespaces.run("sh", "-c", asked, url).returncode == 0, url
        yield daemon


def printed(daemon: Daemon, client: str, *words: str) -> str:
    """What the image of a build prints."""
    run = daemon.docker if client == "docker" else daemon.wharfie
    done = run("build", "-t", "made", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return daemon.docker("run", "--rm", "made").stdout


@pytest.mark.parametrize("client", ["docker", "wharfie"])
@pytest.mark.parametrize(
    ("context", "text"),
    [
        (f"{WEB}/repository.git#main:below", "from elsewhere\n"),
        (f"{WEB}/context.tar.gz", "from elsewhere\n"),
        (f"{WEB}/Dockerfile", "a file\n"),
    ],
)
def test_a_context_from_elsewhere(elsewhere: Daemon, client: str, context: str, text: str) -> None:
    assert printed(elsewhere, client, context) == text


@pytest.mark.parametrize("fragment", ["nothing", "main:nowhere", "main:../.."])
def test_what_a_repository_does_not_have_is_said(elsewhere: Daemon, fragment: str) -> None:
    # The genuine client clones for itself; ours has the daemon do it.
    done = elsewhere.wharfie("build", f"{WEB}/repository.git#{fragment}")
    assert done.returncode == 1
    assert "Error response from daemon: " in done.stderr


def test_a_base_image_that_is_not_here_is_pulled(elsewhere: Daemon, tmp_path: Path) -> None:
    name = "localhost:5000/base:1"
    for words in (("tag", "busybox", name), ("push", "-q", name), ("rmi", name)):
        assert elsewhere.docker(*words).returncode == 0
    (tmp_path / "Dockerfile").write_text(f"FROM {name}\nRUN echo pulled > /x\nCMD cat /x\n")
    assert printed(elsewhere, "docker", str(tmp_path)) == "pulled\n"
    again = elsewhere.docker("build", "--pull", str(tmp_path))
    assert "Using cache" in again.stdout
    assert printed(elsewhere, "wharfie", "--pull", str(tmp_path)) == "pulled\n"


def test_a_base_image_nobody_has_is_told(elsewhere: Daemon, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM localhost:5000/missing:1\nRUN true\n")
    done = elsewhere.docker("build", str(tmp_path))
    assert done.returncode == 1
    assert "localhost:5000/missing" in done.stderr
    assert "not found" in done.stderr
