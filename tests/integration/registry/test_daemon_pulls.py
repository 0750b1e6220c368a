"""The daemon pulls from a registry in its own network namespace."""

from __future__ import annotations

import gzip
import random
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from support.daemon import Daemon
from support.image_archives import tar
from support.registry import Registry, digest_of
from support.registry_inside import busybox_layer, registry_inside

pytestmark = pytest.mark.root


@pytest.fixture
def registry(daemon: Daemon) -> Iterator[Registry]:
    with registry_inside(daemon) as registry:
        yield registry


def failed(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 1, result.stdout + result.stderr
    return result.stderr.strip()


def test_docker_pulls_and_runs(daemon: Daemon, registry: Registry) -> None:
    built = registry.add_image("app", "1", [busybox_layer(), tar({"hello": b"from a registry\n"})])
    ref = f"{registry.host}/app:1"
    pulled = daemon.docker("pull", ref)
    assert pulled.returncode == 0, pulled.stderr
    assert f"Digest: {built.digest}" in pulled.stdout
    assert pulled.stdout.endswith(f"Status: Downloaded newer image for {ref}\n{ref}\n")
    ran = daemon.docker("run", "--rm", ref, "cat", "/hello")
    assert ran.stdout == "from a registry\n", ran.stderr
    again = daemon.docker("run", "--rm", "--pull", "always", ref, "true")
    assert f"Status: Image is up to date for {ref}" in again.stderr


def test_run_pulls_what_is_missing(daemon: Daemon, registry: Registry) -> None:
    registry.add_image("app", "latest", [busybox_layer()])
    for client in (daemon.docker, daemon.wharfie):
        ran = client("run", "--rm", f"{registry.host}/app", "echo", "up")
        assert ran.stdout == "up\n"
        assert f"Unable to find image '{registry.host}/app:latest' locally" in ran.stderr
        daemon.json("DELETE", f"/images/{registry.host}/app:latest?force=1")


def test_refusals_have_the_status_of_their_kind(daemon: Daemon, registry: Registry) -> None:
    registry.add_image("app", "1", [tar({"a": b"1"})])
    status, body = daemon.request("POST", f"/images/create?fromImage={registry.host}/app&tag=2")
    assert status == 404, body
    assert b"manifest unknown" in body
    text = failed(daemon.docker("pull", f"{registry.host}/app:2"))
    assert text == (
        f"Error response from daemon: manifest for {registry.host}/app:2 not found: "
        "manifest unknown: manifest unknown"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    assert "connection refused" in failed(daemon.docker("pull", f"{nobody}/app:1"))


def test_a_killed_daemon_goes_on_where_it_was(daemon: Daemon, registry: Registry) -> None:
    layer = tar({"big": random.Random(2).randbytes(40 << 20)})
    blob = gzip.compress(layer, 0)
    built = registry.add_image(
        "app",
        "1",
        [busybox_layer(), layer],
        blobs=[gzip.compress(busybox_layer(), 1, mtime=0), blob],
    )
    ref = f"{registry.host}/app:1"
    begun, killed = [], threading.Event()

    def kill(handler) -> bool:
        wanted = handler.headers.get("Range") or ""
        if not begun and wanted.startswith(f"bytes={32 << 20}-"):
            begun.append(1)
            daemon.kill9()
            killed.set()
        return False

    registry.rules.append(kill)
    assert daemon.docker("pull", ref).returncode != 0
    assert killed.wait(30)
    daemon.start()
    before = registry.sent
    pulled = daemon.docker("pull", ref)
    assert pulled.returncode == 0, pulled.stderr
    # The fifth span was asked for when the first was there; that one does not come again (the
    # small layer may).
    assert registry.sent - before <= len(blob) - (8 << 20) + (2 << 20)
    assert daemon.json("GET", f"/images/{ref}/json")["Id"] == built.id  # type: ignore[index]
    assert not list((daemon.data_root / "content/partial").iterdir())
    names = {path.name for path in (daemon.data_root / "content/blobs/sha256").iterdir()}
    assert digest_of(blob)[7:] in names
