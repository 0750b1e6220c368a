"""Sources from elsewhere on a real kernel: files of the web, git repositories."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.netns import poll
from support.solving import Order, PlannedVertex, SolvingDaemon, copy, run
from wharfie.model.build.graph import SourceOp

pytestmark = pytest.mark.root
SERVER = Path(__file__).parents[2] / "support/etag_server.py"
WEB = "http://127.0.0.1:8000"
GIT = "git://git://127.0.0.1/repo"


@contextlib.contextmanager
def program(solver: SolvingDaemon, *argv: str, port: int) -> Iterator[None]:
    process = subprocess.Popen(solver.namespaces.command(*argv), stderr=subprocess.DEVNULL)
    try:
        for _ in poll(f"{argv[0]} to listen"):
            if solver.namespaces.run("sh", "-c", f"nc -z 127.0.0.1 {port}").returncode == 0:
                break
            text = Path(f"/proc/{solver.namespaces.pid}/net/tcp").read_text()
            if f":{port:04X} 00000000:0000 0A" in text:
                break
        yield
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def solver(files: Path) -> Iterator[SolvingDaemon]:
    (files / "www").mkdir()
    files.chmod(0o755)
    with SolvingDaemon("--unpack-size", str(8 << 20)) as own:
        own.start()
        own.load_busybox()
        serve = (sys.executable, str(SERVER), str(files / "www"), "8000", str(files / "log"))
        with program(own, *serve, port=8000):
            yield own


def fetched(identifier: str, **attributes: str) -> PlannedVertex:
    return PlannedVertex(
        operation=SourceOp(identifier=identifier, attributes=attributes), name=identifier
    )


def answers(files: Path) -> list[str]:
    """Statuses since the last time."""
    log = files / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    log.write_text("")
    return [line.split()[0] for line in lines]


def test_a_file_is_added_and_asked_for_again_only_by_its_tag(
    solver: SolvingDaemon, files: Path
) -> None:
    (files / "www/f").write_text("one")
    answers(files)
    order = Order(
        vertices=[
            solver.base(),
            fetched(f"{WEB}/f", filename="f", mode="0600"),
            copy("f", "/c/"),
            run("stat -c '%a %u %Y' /c/f; cat /c/f", [2]),
        ]
    )
    outcome, told = solver.solve(order)
    assert not outcome.error
    assert told.output == b"600 0 784111777\none"
    assert answers(files) == ["200"]
    outcome, told = solver.solve(order)
    assert (told.output, outcome.solved[0].cached) == (b"", True)
    assert answers(files) == ["304"]
    solver.restart()
    assert solver.solve(order)[1].output == b""
    assert answers(files) == ["304"]
    (files / "www/f").write_text("two")
    assert solver.solve(order)[1].output.endswith(b"two")
    assert answers(files) == ["200"]


def test_with_a_checksum_a_known_file_is_not_asked_for(solver: SolvingDaemon, files: Path) -> None:
    (files / "www/g").write_text("g")
    digest = "sha256:" + hashlib.sha256(b"g").hexdigest()
    vertices = [
        solver.base(),
        fetched(f"{WEB}/g", filename="g", checksum=digest),
        copy("g", "/c/"),
    ]
    assert not solver.solve(Order(vertices=vertices))[0].error
    answers(files)
    assert not solver.solve(Order(vertices=vertices))[0].error
    assert answers(files) == []
    vertices[1] = fetched(f"{WEB}/g", filename="g", checksum="sha256:" + "0" * 64)
    assert "digest mismatch" in solver.solve(Order(vertices=vertices))[0].error


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/none", "invalid response status 404"),
        ("/endless", "more than 8388608 bytes"),
        ("/to?file:///etc/passwd", "unsupported protocol scheme"),
        ("/to?/to", "too many redirects"),
    ],
)
def test_what_cannot_be_had_is_told(solver: SolvingDaemon, path: str, error: str) -> None:
    vertices = [solver.base(), fetched(WEB + path, filename="f"), copy("f", "/")]
    assert error in solver.solve(Order(vertices=vertices))[0].error
    fetched_files = solver.data_root / "build/fetched"
    assert not [path for path in fetched_files.iterdir() if path.name.startswith("new-")]


def test_redirects_are_followed(solver: SolvingDaemon, files: Path) -> None:
    (files / "www/h").write_text("there")
    vertices = [
        solver.base(),
        fetched(f"{WEB}/to?{WEB}/h", filename="f"),
        copy("f", "/c/"),
        run("cat /c/f", [2]),
    ]
    assert solver.solve(Order(vertices=vertices))[1].output == b"there"


class Repository:
    """A repository served by git's own daemon."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.email", "a@example.com")
        self.git("config", "user.name", "a")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.directory), *arguments], check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    def commit(self, **files: str) -> str:
        for name, text in files.items():
            path = self.directory / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture(scope="module")
def repository(solver: SolvingDaemon, files: Path) -> Iterator[Repository]:
    made = Repository(files / "git/repo")
    daemon = ("git", "daemon", "--export-all", f"--base-path={files}/git", "--listen=127.0.0.1")
    # Served as somebody else's: git wants to be told that this is meant.
    os.environ["GIT_CONFIG_COUNT"] = "1"
    os.environ["GIT_CONFIG_KEY_0"] = "safe.directory"
    os.environ["GIT_CONFIG_VALUE_0"] = "*"
    try:
        with program(solver, *daemon, "--reuseaddr", port=9418):
            yield made
    finally:
        for name in ("GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0"):
            del os.environ[name]


def listing(solver: SolvingDaemon, identifier: str, **attributes: str) -> str:
    vertices = [
        solver.base(),
        fetched(identifier, **attributes),
        copy(".", "/c/"),
        run("cd /c; find . -type f | grep -v '[.]git/' | sort | xargs cat; ls -A | head -1", [2]),
    ]
    outcome, told = solver.solve(Order(vertices=vertices))
    return outcome.error or told.output.decode()


def test_repositories_are_checked_out_by_reference_and_directory(
    solver: SolvingDaemon, repository: Repository
) -> None:
    first = repository.commit(f="one", sub__g="in sub")
    repository.git("tag", "v1")
    assert listing(solver, f"{GIT}#:") == "onein subf\n"
    repository.commit(f="two")
    assert listing(solver, f"{GIT}#main:") == "twoin subf\n"
    assert listing(solver, f"{GIT}#v1:sub") == "in subg\n"
    assert listing(solver, f"{GIT}#{first}:") == "", "the same commit is the same source"
    assert listing(solver, f"{GIT}#main:", keep_git_dir="true") == "twoin sub.git\n"


def test_another_commit_than_the_checksum_says_is_refused(
    solver: SolvingDaemon, repository: Repository
) -> None:
    commit = repository.commit(f="three")
    assert "f\n" in listing(solver, f"{GIT}#main:", checksum=commit)
    assert "expected checksum" in listing(solver, f"{GIT}#main:", checksum="0" * 40)


@pytest.mark.parametrize(
    ("identifier", "error"),
    [
        ("git://git://127.0.0.1/none#:", "git ls-remote: "),
        (f"{GIT}#nosuch:", "does not contain ref nosuch"),
        (f"{GIT}#:no/such", "has no no/such"),
        ("git:///etc#:", "not a git repository's address"),
        ("git://file:///etc#:", "not a git repository's address"),
        ("git://ext::sh -c id#:", "not a git repository's address"),
        ("git://--upload-pack=id#:", "not a git repository's address"),
        (f"{GIT}#--output=/x:", "not a git reference"),
    ],
)
def test_what_is_no_repository_is_refused(
    solver: SolvingDaemon, repository: Repository, identifier: str, error: str
) -> None:
    repository.commit(f=identifier)
    assert error in listing(solver, identifier)


def test_a_repository_runs_nothing_and_reaches_no_file_of_the_host(
    solver: SolvingDaemon, repository: Repository, files: Path
) -> None:
    marker = files / "ran"
    repository.directory.joinpath("out").symlink_to("/etc/passwd")
    repository.directory.joinpath("post-checkout").write_text(f"#!/bin/sh\ntouch {marker}\n")
    repository.directory.joinpath("post-checkout").chmod(0o755)
    attributes = "* filter=evil\n"
    config = f'[filter "evil"]\n\tsmudge = touch {marker}\n[core]\n\thooksPath = .\n'
    modules = f'[submodule "s"]\n\tpath = s\n\turl = file://{files}/git/repo\n'
    repository.commit(**{".gitattributes": attributes, ".gitconfig": config})
    assert "evil" in listing(solver, f"{GIT}#main:")
    assert not marker.exists()
    repository.commit(**{".gitmodules": modules})
    head = repository.git("rev-parse", "HEAD")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{head},s")
    repository.git("commit", "-q", "-m", "a submodule of this host")
    assert "transport 'file' not allowed" in listing(solver, f"{GIT}#main:")
    assert "evil" in listing(solver, f"{GIT}#main:", submodules="false")
    assert not marker.exists()
    owner = hashlib.sha256(os.fsencode(solver.data_root)).hexdigest()[:16]
    assert not list(Path("/var/tmp").glob(f"wharfie-git-{owner}-*"))
