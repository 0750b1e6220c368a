"""`wharfie registry up | status | down`, and `wharfie-registry gc | scrub | read-only`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.registry_server import Client, digest_of

PROGRAMS = Path(sys.executable).parent


def run(program: str, *words: str, status: int = 0) -> str:
    done = subprocess.run(
        [PROGRAMS / program, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == status, done
    return done.stdout + done.stderr


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[tuple[Client, str]]:
    port = free_port()
    # Longer than the path of a socket may be.
    root = str(tmp_path / ("long" * 30))
    run("wharfie", "registry", "up", "--addr", f"127.0.0.1:{port}", "--root", root)
    yield Client("127.0.0.1", port), root
    subprocess.run([PROGRAMS / "wharfie", "registry", "down", "--root", root], check=False)


def test_up_and_down(up: tuple[Client, str]) -> None:
    client, root = up
    client.push_image("app", "v1")
    again = run("wharfie", "registry", "up", "--root", root)
    assert "already" in again
    assert "Repositories: 1" in run("wharfie", "registry", "status", "--root", root)
    run("wharfie", "registry", "down", "--root", root)
    with pytest.raises(ConnectionRefusedError):
        client.ask("GET", "/v2/")
    assert "no registry" in run("wharfie", "registry", "down", "--root", root, status=1)
    port = str(client.port)
    run("wharfie", "registry", "up", "--addr", f"127.0.0.1:{port}", "--root", root)
    assert client.ask("GET", "/v2/app/manifests/v1").status == 200


def test_up_tells_why_it_does_not_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = ["--addr", f"127.0.0.1:{taken.getsockname()[1]}", "--root", str(tmp_path)]
        assert "cannot listen" in run("wharfie", "registry", "up", *words, status=1)
    # And leaves nothing that would keep the next one out.
    words[1] = f"127.0.0.1:{free_port()}"
    run("wharfie", "registry", "up", *words)
    run("wharfie", "registry", "down", "--root", str(tmp_path))


def test_a_remote_daemon_is_not_the_place(tmp_path: Path) -> None:
    words = ["-H", "tcp://192.0.2.1:2375", "registry", "up", "--root", str(tmp_path)]
    assert "run this on its machine" in run("wharfie", *words, status=1)
    assert not list(tmp_path.iterdir())


def test_a_running_registry_is_told(up: tuple[Client, str]) -> None:
    client, root = up
    digest = client.push_blob("app", b"loose")
    client.push_image("app", "v1", (b"layer",))
    assert "1 blobs would go" in run(
        "wharfie-registry", "gc", "--root", root, "--grace", "0s", "--dry-run"
    )
    assert client.ask("GET", f"/v2/app/blobs/{digest}").status == 200
    assert "1 blobs removed" in run("wharfie-registry", "gc", "--root", root, "--grace", "0s")
    assert client.ask("GET", f"/v2/app/blobs/{digest}").status == 404
    run("wharfie-registry", "read-only", "--root", root, "on")
    assert client.ask("POST", "/v2/app/blobs/uploads/").status == 405
    run("wharfie-registry", "read-only", "--root", root, "off")
    client.push_blob("app", b"more")
    broken = digest_of(b"layer")
    encoded = broken.partition(":")[2]
    file = Path(root) / f"docker/registry/v2/blobs/sha256/{encoded[:2]}/{encoded}/data"
    file.write_bytes(b"LAYER")
    assert broken in run("wharfie-registry", "scrub", "--root", root, "--rate", "0", status=2)


def test_a_registry_that_does_not_run_is_tended_all_the_same(up: tuple[Client, str]) -> None:
    client, root = up
    client.push_blob("app", b"loose")
    run("wharfie", "registry", "down", "--root", root)
    assert "1 blobs removed" in run("wharfie-registry", "gc", "--root", root, "--grace", "0s")
    assert "no registry" in run("wharfie-registry", "status", "--root", root, status=1)


def test_one_root_is_served_once(up: tuple[Client, str]) -> None:
    _, root = up
    words = ["serve", "--addr", f"127.0.0.1:{free_port()}", "--root", root]
    assert "another registry serves" in run("wharfie-registry", *words, status=1)


def test_usage(tmp_path: Path) -> None:
    assert "Commands:" in run("wharfie-registry", "--help")
    for command in ("serve", "gc", "scrub", "status", "read-only"):
        assert f"wharfie-registry {command}" in run("wharfie-registry", command, "--help")
    assert "unknown command" in run("wharfie-registry", "nonsense", status=1)
    assert "unknown flag" in run("wharfie-registry", "serve", "--nonsense", status=1)
    assert "wharfie-registry version" in run("wharfie-registry", "--version")
    assert os.listdir(tmp_path) == []
