"""`images --tree` of our client and of Docker's, word for word."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.daemon import BIN, Daemon
from support.docker_registry import DockerRegistry
from support.genuine_cli import docker_cli, docker_cli_28

pytestmark = pytest.mark.root
LONG = "a-name-of-more-than-the-eighty-columns-of-a-screen/" + "x" * 40 + ":tag"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with Daemon() as own, DockerRegistry(own, secured=False) as registry:
        own.start()
        own.load_busybox()
        for words in (
            ["tag", "busybox", f"{registry.host}/app:1"],
            ["push", "-q", f"{registry.host}/app:1"],
            ["tag", "busybox", "z:1"],
            ["run", "--name", "one", "busybox", "touch", "/x"],
            ["commit", "one"],
            ["commit", "one", "made:1"],
        ):
            done = own.docker(*words)
            assert done.returncode == 0, done.stderr
        yield own


def both(daemon: Daemon, *words: str) -> tuple[str, str]:
    """What the two say, errors included."""
    docker_cli_28()
    theirs, ours = daemon.docker(*words), daemon.wharfie(*words)
    assert theirs.returncode == ours.returncode
    return theirs.stdout + theirs.stderr, ours.stdout + ours.stderr


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-a"],
        ["busybox"],
        ["nothing"],
        ["-f", "reference=made"],
        ["-q"],
        ["--no-trunc"],
        ["--digests"],
        ["--format", "x"],
    ],
)
def test_trees(daemon: Daemon, words: list[str]) -> None:
    theirs, ours = both(daemon, "images", "--tree", *words)
    assert ours == theirs


def test_names_wider_than_the_screen(daemon: Daemon) -> None:
    assert daemon.docker("tag", "made:1", LONG).returncode == 0
    theirs, ours = both(daemon, "images", "--tree")
    assert daemon.docker("rmi", LONG).returncode == 0
    assert ours == theirs


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_on_a_terminal(daemon: Daemon, columns: int) -> None:
    docker_cli_28()
    drawn = []
    for program in (docker_cli(), str(BIN / "wharfie")):
        line = f"stty cols {columns}; {program} -H {daemon.host} images --tree -a"
        shown = daemon.namespaces.run("script", "-qec", line, "/dev/null")
        assert shown.returncode == 0, shown.stdout
        drawn.append(shown.stdout)
    assert drawn[1] == drawn[0]
