"""The API calls that the seeds name, made with curl as they make them: seeds A7, J1–J11."""

from __future__ import annotations

import json
import tarfile
import uuid
from collections.abc import Iterator
from io import BytesIO

import pytest

from support.daemon import Daemon

pytestmark = pytest.mark.root


def curl(daemon: Daemon, path: str, *flags: str) -> tuple[int, str]:
    """Status and body of a call over TCP with TLS, as a remote client makes it."""
    files = [
        f"--{flag}={daemon.certs / name}.pem"
        for flag, name in (("cacert", "ca"), ("cert", "cert"), ("key", "key"))
    ]
    files = [word for flag in files for word in flag.split("=", 1)]
    done = daemon.namespaces.run(
        "curl", "-sS", "--max-time", "20", "-w", "\n%{http_code}", *files, *flags,
        f"https://127.0.0.1:2376{path}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


@pytest.fixture
def container(shared_daemon: Daemon) -> Iterator[str]:
    """A running container made by curl (J3, J8)."""
    name = f"seed-{uuid.uuid4().hex[:8]}"
    body = json.dumps({"Image": "busybox", "Cmd": ["sh", "-c", "echo hi; sleep 1000"]})
    status, reply = curl(
        shared_daemon, f"/containers/create?name={name}", "-H", "Content-Type: application/json",
        "-d", body,
    )  # fmt: skip
    assert status == 201
    created = json.loads(reply)
    assert created.keys() == {"Id", "Warnings"}
    assert curl(shared_daemon, f"/containers/{name}/start", "-X", "POST") == (204, "")
    yield name
    assert curl(shared_daemon, f"/containers/{name}?force=1", "-X", "DELETE")[0] == 204


def test_ping_is_ok_and_nothing_else(shared_daemon: Daemon) -> None:
    """J1: no newline, plain text, with and without a version."""
    for path in ("/_ping", "/v1.34/_ping", "/v1.40/_ping"):
        assert curl(shared_daemon, path) == (200, "OK")
    status, head = curl(shared_daemon, "/_ping", "--head")
    assert status == 200
    assert "content-type: text/plain" in head.lower()
    assert "content-length: 0" in head.lower()


@pytest.mark.parametrize("version", ["", "/v1.24", "/v1.34", "/v1.40", "/v1.51"])
def test_all_documented_versions_answer(shared_daemon: Daemon, version: str) -> None:
    """A7, J9, J11: also those whose documentation the seeds link to."""
    status, body = curl(shared_daemon, f"{version}/info")
    assert status == 200
    assert json.loads(body)["OSType"] == "linux"
    status, body = curl(shared_daemon, f"{version}/version")
    assert status == 200
    assert json.loads(body)["MinAPIVersion"] == "1.24"
    assert curl(shared_daemon, f"{version}/containers/json")[0] == 200


def test_without_a_version_the_newest_is_meant(shared_daemon: Daemon) -> None:
    """J11."""
    unversioned = json.loads(curl(shared_daemon, "/images/json")[1])
    assert unversioned == json.loads(curl(shared_daemon, "/v1.51/images/json")[1])


def test_containers_are_listed_and_inspected(shared_daemon: Daemon, container: str) -> None:
    """J2, J4."""
    for query in ("", "?all=1"):
        listed = json.loads(curl(shared_daemon, f"/containers/json{query}")[1])
        assert [f"/{container}"] in [one["Names"] for one in listed]
    status, body = curl(shared_daemon, f"/containers/{container}/json")
    assert status == 200
    assert json.loads(body)["State"]["Running"] is True


def test_processes_logs_and_files_come_out(shared_daemon: Daemon, container: str) -> None:
    """J5, J6, J7."""
    top = json.loads(curl(shared_daemon, f"/containers/{container}/top")[1])
    assert top.keys() >= {"Titles", "Processes"}
    assert "sleep 1000" in top["Processes"][0][top["Titles"].index("CMD")]
    status, body = curl(shared_daemon, f"/containers/{container}/logs?stdout=1")
    assert (status, body) == (200, "\x01\0\0\0\0\0\0\x03hi\n")
    assert curl(shared_daemon, f"/containers/{container}/logs")[0] == 400
    status, exported = shared_daemon.request("GET", f"/containers/{container}/export")
    assert status == 200
    with tarfile.open(fileobj=BytesIO(exported)) as archive:
        assert "bin/busybox" in {name.removeprefix("./") for name in archive.getnames()}


def test_containers_are_driven(shared_daemon: Daemon, container: str) -> None:
    """J8: 204 done, 304 already so, 404 no such, 409 not now."""

    def post(verb: str, name: str = container) -> int:
        return curl(shared_daemon, f"/containers/{name}/{verb}", "-X", "POST")[0]

    assert post("start") == 304
    assert post("restart?t=0") == 204
    assert post("kill") == 204
    assert curl(shared_daemon, f"/containers/{container}/wait", "-X", "POST")[0] == 200
    assert post("kill") == 409
    assert post("stop") == 304
    assert post("start") == 204
    assert post("stop?t=0") == 204
    assert post("start", "no-such-container") == 404


def test_images_are_got_and_operated(shared_daemon: Daemon) -> None:
    """J10."""
    images = json.loads(curl(shared_daemon, "/images/json")[1])
    assert ["busybox:latest"] in [one["RepoTags"] for one in images]
    assert curl(shared_daemon, "/images/busybox/json")[0] == 200
    assert curl(shared_daemon, "/images/busybox/history")[0] == 200
    tag = f"seed-{uuid.uuid4().hex[:8]}"
    assert curl(shared_daemon, f"/images/busybox/tag?repo={tag}", "-X", "POST")[0] == 201
    assert curl(shared_daemon, f"/images/{tag}", "-X", "DELETE")[0] == 200
    assert curl(shared_daemon, f"/images/{tag}/json")[0] == 404
