"""Builds on a real daemon: by the genuine CLI, by `wharfie build`, over the raw API."""

import io
import json
import socket
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.api import Api
from support.building import build, context, image_of, said, write
from support.daemon import Daemon

pytestmark = pytest.mark.root


@pytest.fixture
def api(shared_daemon: Daemon) -> Api:
    return Api(shared_daemon.socket)


SEED = {
    "Dockerfile": "FROM busybox\n\nCOPY ./test.txt /\n\nCMD cat /test.txt\n",
    "test.txt": "hello!\n",
}


@pytest.mark.parametrize("client", ["docker", "wharfie"])
def test_the_seed(shared_daemon: Daemon, tmp_path: Path, client: str) -> None:
    folder = write(tmp_path, SEED)
    run = getattr(shared_daemon, client)
    built = run("build", "-t", f"seed/{client}", str(folder))
    assert built.returncode == 0, built.stderr
    ran = run("run", "--rm", f"seed/{client}")
    assert (ran.returncode, ran.stdout) == (0, "hello!\n")


def test_a_repeated_build_is_cached(api: Api) -> None:
    files = {"Dockerfile": 'FROM busybox\nLABEL repeat=1\nRUN echo once > /f\nCMD ["x"]\n'}
    first = build(api, files)
    second = build(api, files)
    assert "Using cache" not in said(first).partition("LABEL")[2].partition("RUN")[0]
    assert said(second).count("Using cache") == 3
    assert "Running in" not in said(second)
    # nocache runs it again
    assert "Using cache" not in said(build(api, files, nocache=1))


def test_a_failed_step_has_its_code(api: Api) -> None:
    found = build(api, {"Dockerfile": "FROM busybox\nRUN echo last words; exit 7\n"})
    words = "The command '/bin/sh -c echo last words; exit 7' returned a non-zero code: 7"
    assert found[-1] == {"errorDetail": {"code": 7, "message": words}, "error": words}
    assert "last words\n" in said(found)


@pytest.mark.parametrize(
    ("files", "query", "status", "words"),
    [
        ({"Dockerfile": ""}, {}, 400, "the Dockerfile (Dockerfile) cannot be empty"),
        ({"x": ""}, {}, 500, "Cannot locate specified Dockerfile: Dockerfile"),
        ({"x": ""}, {"dockerfile": "a/b"}, 500, "Cannot locate specified Dockerfile: a/b"),
        (
            {"Dockerfile": "FROM busybox\nFOO x\n"},
            {},
            400,
            "dockerfile parse error on line 2: unknown instruction: FOO (did you mean FROM?)",
        ),
        (
            {"Dockerfile": "FROM busybox\n"},
            {"target": "zz"},
            400,
            'target stage "zz" could not be found',
        ),
        ({"Dockerfile": "FROM busybox\n"}, {"version": "3"}, 400, 'invalid version "3"'),
        (
            {"Dockerfile": "FROM busybox\n"},
            {"buildargs": "zz"},
            400,
            "error reading build args: invalid character 'z' looking for beginning of value",
        ),
        (
            {"Dockerfile": "FROM busybox\n"},
            {"remote": "foo"},
            400,
            "remoteURL (foo) could not be recognized as URL",
        ),
    ],
)
def test_errors_before_output(
    api: Api, files: Mapping[str, str], query: Mapping[str, object], status: int, words: str
) -> None:
    reply = api.ask(
        "POST",
        "/build",
        data=context(files),
        headers={"Content-Type": "application/x-tar"},
        **query,
    )
    assert (reply.status, reply.message) == (status, words)


def test_what_is_no_archive_is_refused(api: Api) -> None:
    reply = api.ask("POST", "/build", data=b"no tar at all" * 100)
    assert reply.status == 400, reply.body


def test_several_tags_and_labels(api: Api) -> None:
    found = build(
        api,
        {"Dockerfile": "FROM busybox\nARG A\nRUN echo $A > /a\n"},
        t=["several/one", "several/two:x"],
        labels='{"by": "test"}',
        buildargs='{"A": "1", "Z": "2"}',
    )
    assert said(found).endswith(
        "Successfully tagged several/one:latest\nSuccessfully tagged several/two:x\n"
    )
    assert "[Warning] One or more build-args [Z] were not consumed\n" in said(found)
    document = api.get("/images/several/two:x/json")
    assert document["Id"] == image_of(found)
    assert document["Config"]["Labels"]["by"] == "test"


def test_quiet(api: Api) -> None:
    [only] = build(api, {"Dockerfile": "FROM busybox\nLABEL quiet=1\n"}, q=1, t="quiet")
    assert only == {"stream": api.get("/images/quiet/json")["Id"] + "\n"}


def test_one_object_a_chunk(shared_daemon: Daemon) -> None:
    """docker-py reads chunk by chunk: two objects in one broke it with another engine."""
    body = context({"Dockerfile": "FROM busybox\nLABEL chunks=1\nRUN true\n"})
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(shared_daemon.socket))
        sock.sendall(
            b"POST /v1.51/build HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Content-Type: application/x-tar\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        sock.sendall(body)
        reply = b""
        while data := sock.recv(65536):
            reply += data
    head, _, rest = reply.partition(b"\r\n\r\n")
    assert b"chunked" in head
    chunks = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        chunks.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    assert len(chunks) > 5
    for chunk in chunks[:-1]:
        assert isinstance(json.loads(chunk), dict)


def test_files_of_an_image_by_output(shared_daemon: Daemon, tmp_path: Path) -> None:
    folder = write(tmp_path / "c", {"Dockerfile": "FROM scratch\nCOPY a /d/b\n", "a": "content"})
    out = tmp_path / "out"
    done = shared_daemon.wharfie("build", "-o", str(out), str(folder))
    assert done.returncode == 0, done.stderr
    assert (out / "d/b").read_text() == "content"
    done = shared_daemon.wharfie("build", "-o", f"type=tar,dest={out}/x.tar", str(folder))
    assert done.returncode == 0, done.stderr
    with tarfile.open(fileobj=io.BytesIO((out / "x.tar").read_bytes())) as archive:
        assert "d/b" in archive.getnames()


def test_iidfile_metadata_and_quiet(shared_daemon: Daemon, tmp_path: Path) -> None:
    folder = write(tmp_path / "c", {"Dockerfile": "FROM busybox\nLABEL iid=1\n"})
    done = shared_daemon.wharfie(
        "build",
        "-q",
        "-t",
        "iid:x",
        f"--iidfile={tmp_path}/iid",
        f"--metadata-file={tmp_path}/meta",
        str(folder),
    )
    assert done.returncode == 0, done.stderr
    image = (tmp_path / "iid").read_text()
    assert done.stdout == f"{image}\n"
    assert json.loads((tmp_path / "meta").read_text())["containerimage.config.digest"] == image


def test_dockerfile_from_stdin_and_from_outside(shared_daemon: Daemon, tmp_path: Path) -> None:
    folder = write(tmp_path / "c", {"a": "1", ".dockerignore": "b\n", "b": "2"})
    text = "FROM busybox\nCOPY . /c\nRUN ls -A /c > /listing\nCMD cat /listing\n"
    (tmp_path / "Outside").write_text(text)
    for client in (shared_daemon.docker, shared_daemon.wharfie):
        for how in (["-f", "-"], ["-f", str(tmp_path / "Outside")]):
            done = client("build", "-t", "outside", *how, str(folder), stdin=text)
            assert done.returncode == 0, done.stderr
            listing = client("run", "--rm", "outside").stdout
            # .dockerignore does not name itself; Docker copies it, too.
            assert listing == ".dockerignore\na\n", (client, how)
        done = client("build", "-t", "stdin", "-", stdin="FROM busybox\nLABEL stdin=1\n")
        assert done.returncode == 0, done.stderr


def test_a_second_build_sends_only_what_changed(shared_daemon: Daemon, tmp_path: Path) -> None:
    folder = write(tmp_path, {"Dockerfile": "FROM scratch\nCOPY . /\n", "changing": "1"})
    (folder / "large").write_bytes(bytes(range(256)) * 40_000)
    first = shared_daemon.wharfie("build", "--progress=plain", str(folder))
    assert "transferring context: 10.24MB" in first.stderr
    (folder / "changing").write_text("2")
    second = shared_daemon.wharfie("build", "--progress=plain", str(folder))
    [line] = [one for one in second.stderr.splitlines() if "transferring context" in one]
    assert line.split()[3].endswith("B")
    assert not line.split()[3].endswith(("kB", "MB")), line
