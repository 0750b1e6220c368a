"""`image copy` between two daemons: what travels, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.image_archives import config, docker_archive, sha256, tar

pytestmark = pytest.mark.root

BASE = tar({"base": b"b" * 2_000_000})
UPPER = tar({"upper": b"u" * 1000})
OTHER = tar({"other": b"o" * 1000})


def load(daemon: Daemon, archive: bytes, name: str) -> None:
    path = daemon.directory / name
    path.write_bytes(archive)
    done = daemon.wharfie("load", "-q", "-i", str(path))
    assert done.returncode == 0, done.stderr


def image_id(daemon: Daemon, ref: str) -> str:
    return daemon.wharfie("inspect", "--type", "image", "-f", "{{.Id}}", ref).stdout.strip()


@pytest.fixture(scope="module")
def daemons() -> Iterator[tuple[Daemon, Daemon]]:
    with Daemon() as here, Daemon() as there:
        here.start()
        there.start()
        load(here, docker_archive([BASE, UPPER], ["app:1"]), "app.tar")
        load(here, docker_archive([BASE, OTHER], ["app:2"]), "app2.tar")
        yield here, there


def test_only_missing_layers_travel(daemons: tuple[Daemon, Daemon]) -> None:
    here, there = daemons
    first = here.wharfie("image", "copy", "app:1", there.host)
    assert (first.returncode, "sending 2 of 2 layers" in first.stderr) == (0, True), first.stderr
    assert "Loaded image: app:1" in first.stdout
    second = here.wharfie("image", "copy", "app:2", there.host)
    assert (second.returncode, "sending 1 of 2 layers" in second.stderr) == (0, True)
    again = here.wharfie("image", "copy", "app:2", there.host)
    assert (again.returncode, "sending 0 of 2 layers" in again.stderr) == (0, True)
    for name in ("app:1", "app:2"):
        assert image_id(here, name) == image_id(there, name)
    # What came is whole: blobs and layers are verified, and the image can be saved.
    assert there.wharfie("system", "check").returncode == 0
    path = there.directory / "saved.tar"
    assert there.wharfie("save", "-o", str(path), "app:2").returncode == 0
    assert path.stat().st_size > len(BASE)


def test_a_missing_image_is_named(daemons: tuple[Daemon, Daemon]) -> None:
    here, there = daemons
    done = here.wharfie("image", "copy", "nope:1", there.host)
    assert done.returncode == 1
    assert "No such image: nope:1" in done.stderr


def test_an_unreachable_daemon_is_named(daemons: tuple[Daemon, Daemon], tmp_path: Path) -> None:
    here, _ = daemons
    done = here.wharfie("image", "copy", "app:1", f"unix://{tmp_path}/none.sock")
    assert done.returncode == 1
    assert f"Cannot connect to the Docker daemon at unix://{tmp_path}/none.sock" in done.stderr


def test_an_archive_that_leaves_out_what_is_not_there_is_refused(
    daemons: tuple[Daemon, Daemon],
) -> None:
    here, there = daemons
    assert here.wharfie("image", "copy", "-q", "app:1", there.host).returncode == 0
    unknown = tar({"unknown": b"x"})
    document = config([BASE, unknown])
    entry = {
        "Config": f"blobs/sha256/{sha256(document)}",
        "RepoTags": ["stolen:1"],
        "Layers": [f"blobs/sha256/{sha256(layer)}" for layer in (BASE, unknown)],
    }
    archive = tar(
        {
            f"blobs/sha256/{sha256(document)}": document,
            "manifest.json": json.dumps([entry]).encode(),
        }
    )
    path = there.directory / "stolen.tar"
    path.write_bytes(archive)
    done = there.wharfie("load", "-i", str(path))
    assert done.returncode == 1
    assert f"blobs/sha256/{sha256(unknown)} is missing" in done.stderr
    assert there.wharfie("images", "-q", "stolen").stdout == ""
