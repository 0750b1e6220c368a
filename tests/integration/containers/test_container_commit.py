"""Commit, diff and export of real containers, by both clients, and what comes of the images."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from collections.abc import Iterator

import pytest

from support.daemon import Daemon

pytestmark = pytest.mark.root

SCRIPT = """
mkdir -p /made/deep; echo one > /made/deep/file
ln /made/deep/file /made/hard; ln -s deep /made/soft
echo changed >> /etc/passwd; rm /bin/wget; rm -rf /home; mkdir /home; chmod 750 /root
"""


@pytest.fixture(params=["docker", "wharfie"])
def run(request: pytest.FixtureRequest, shared_daemon: Daemon) -> Iterator[Runner]:
    runner = Runner(shared_daemon, request.param)
    with contextlib.closing(runner):
        yield runner


class Runner:
    """One client; what it makes is removed."""

    def __init__(self, daemon: Daemon, client: str) -> None:
        self.daemon = daemon
        self._run = getattr(daemon, client)
        self.containers: list[str] = []
        self.images: list[str] = []

    def __call__(self, *arguments: str) -> str:
        done = self._run(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)
        return str(done.stdout).strip()

    def container(self, *arguments: str) -> str:
        self.containers.append(self("create", *arguments))
        return self.containers[-1]

    def changed(self) -> str:
        ref = self.container("-v", "/vol", "busybox", "sh", "-c", SCRIPT)
        self("start", "-a", ref)
        return ref

    def commit(self, *arguments: str) -> str:
        self.images.append(self("commit", *arguments))
        return self.images[-1]

    def inspect(self, ref: str) -> dict:
        found = json.loads(self("inspect", ref))[0]
        assert isinstance(found, dict)
        return found

    def close(self) -> None:
        if self.containers:
            self.daemon.docker("rm", "-f", "-v", *self.containers)
        if self.images:
            self.daemon.docker("rmi", "-f", *self.images)


def test_b123_an_image_has_the_containers_files_and_config(run: Runner) -> None:
    ref = run.changed()
    made = run.commit(
        *("-a", "me", "-m", "why", "-c", 'CMD ["cat", "/made/soft/file"]', "-c", "EXPOSE 80"),
        ref,
        "committed:1",
    )
    image = run.inspect(made)
    assert (image["Author"], image["Comment"]) == ("me", "why")
    assert image["RepoTags"] == ["committed:1"]
    assert image["Config"]["ExposedPorts"] == {"80/tcp": {}}
    assert image["Parent"] == run.inspect("busybox")["Id"]
    assert len(image["RootFS"]["Layers"]) == len(run.inspect("busybox")["RootFS"]["Layers"]) + 1
    assert run("run", "--rm", "committed:1") == "one"
    look = "stat -c %h /made/hard; stat -c %a /root; ls /home /bin/wget 2>&1; tail -n1 /etc/passwd"
    assert run("run", "--rm", made, "sh", "-c", look).splitlines() == [
        "2", "750", "ls: /bin/wget: No such file or directory", "/home:", "changed",
    ]  # fmt: skip


def test_b123_nothing_changed_makes_an_empty_step_of_history(run: Runner) -> None:
    ref = run.container("busybox", "true")
    run("start", "-a", ref)
    made = run.commit("-c", "LABEL a=b", ref)
    image, parent = run.inspect(made), run.inspect("busybox")
    assert image["RootFS"] == parent["RootFS"]
    assert image["Config"]["Labels"] == {"a": "b"}
    top = json.loads(run("history", "--format", "{{json .}}", made).splitlines()[0])
    assert (top["CreatedBy"], top["Size"]) == ("true", "0B")


def test_a_committed_image_goes_through_save_and_load(run: Runner) -> None:
    made = run.commit(run.changed(), "saved:1")
    path = str(run.daemon.directory / "saved.tar")
    run("save", "-o", path, "saved:1")
    run("rmi", "saved:1")
    run("load", "-i", path)
    assert run.inspect("saved:1")["Id"] == made
    assert run("run", "--rm", "saved:1", "cat", "/made/hard") == "one"


def test_b123_a_running_container_goes_on_afterwards(run: Runner) -> None:
    ref = run.container("busybox", "sh", "-c", "echo up > /up; sleep 600")
    run("start", ref)
    run("exec", ref, "sh", "-c", "until [ -s /up ]; do :; done")
    made = run.commit(ref)
    assert run.inspect(ref)["State"]["Status"] == "running"
    assert run("exec", ref, "cat", "/up") == "up"
    assert run("run", "--rm", made, "cat", "/up") == "up"


def test_b120_differences_are_the_containers_own(run: Runner) -> None:
    assert run("diff", run.changed()).splitlines() == [
        "C /bin", "D /bin/wget", "C /etc", "C /etc/passwd", "C /home",
        "A /made", "A /made/deep", "A /made/deep/file", "A /made/hard", "A /made/soft",
        "C /root", "A /vol",
    ]  # fmt: skip


def test_b120_an_export_has_mount_points_without_what_is_mounted(run: Runner) -> None:
    ref = run.container("-v", "/vol", "busybox", "sh", "-c", "echo secret > /vol/in; echo x > /out")
    run("start", "-a", ref)
    path = run.daemon.directory / "export.tar"
    run("export", "-o", str(path), ref)
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as archive:
        names = set(archive.getnames())
        content = archive.extractfile("out")
        assert content is not None
        assert content.read() == b"x\n"
    assert {"vol", "bin/sh", "etc/hosts"} <= names
    assert "vol/in" not in names


def test_refusals_are_dockers(run: Runner) -> None:
    ref = run.container("busybox", "true")
    for path, words in (
        ("container=nope", "No such container: nope"),
        ("container=", 'invalid name or ID supplied: ""'),
        (f"container={ref}&repo=Foo", "repository name (library/Foo) must be lowercase"),
        (f"container={ref}&changes=RUN%20x", "RUN is not a valid change command"),
    ):
        _, reply = run.daemon.request("POST", f"/commit?{path}", {})
        assert words in json.loads(reply)["message"]
