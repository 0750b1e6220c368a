"""Images of several platforms, and prunes that are only told; by our own client and daemon."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from support.daemon import Daemon, UnixConnection
from support.image_archives import config, docker_archive, layout, layout_image, named, tar

pytestmark = pytest.mark.root

AMD, ARM = "linux/amd64", "linux/arm64"


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with Daemon() as own:
        own.start()
        yield own


@pytest.fixture(autouse=True)
def empty(daemon: Daemon) -> None:
    said(daemon, "image", "prune", "-af")


def said(daemon: Daemon, *words: str) -> str:
    done = daemon.wharfie(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(daemon: Daemon, *words: str) -> str:
    done = daemon.wharfie(*words)
    assert done.returncode == 1, done.stdout
    return done.stderr


def both_platforms(daemon: Daemon) -> str:
    """An image layout in which `two:1` is for two platforms."""
    entries, blobs = [], {}
    for platform in (AMD, ARM):
        layer = tar({"etc/platform": platform.encode()})
        architecture = platform.partition("/")[2]
        manifest, parts = layout_image([layer], config([layer], architecture=architecture))
        wanted = {"os": "linux", "architecture": architecture}
        entries.append(named(manifest, "docker.io/library/two:1", platform=wanted))
        blobs |= parts
    path = daemon.directory / "two.tar"
    path.write_bytes(layout(entries, blobs))
    return str(path)


def architecture(daemon: Daemon, ref: str) -> str:
    return said(daemon, "image", "inspect", "-f", "{{.Architecture}}", ref).strip()


def test_load_takes_the_platform_asked_for(daemon: Daemon) -> None:
    path = both_platforms(daemon)
    assert said(daemon, "load", "-i", path) == "Loaded image: two:1\n"
    assert architecture(daemon, "two:1") == "amd64"
    again = said(daemon, "load", "--platform", ARM, "-i", path)
    assert again.endswith("Loaded image: two:1\n")
    assert architecture(daemon, "two:1") == "arm64"
    assert "no matching manifest for linux/s390x" in refused(
        daemon, "load", "--platform", "linux/s390x", "-i", path
    )
    assert architecture(daemon, "two:1") == "arm64"


def test_load_of_several_platforms_leaves_the_name_to_this_host(daemon: Daemon) -> None:
    archive = Path(both_platforms(daemon)).read_bytes()
    wanted = [json.dumps({"os": "linux", "architecture": one}) for one in ("amd64", "arm64")]
    query = "&".join(f"platform={quote(text)}" for text in wanted)
    connection = UnixConnection(daemon.socket, 60)
    connection.request("POST", f"/images/load?{query}", archive)
    assert "error" not in connection.getresponse().read().decode()
    connection.close()
    assert architecture(daemon, "two:1") == "amd64"
    shown = said(daemon, "images", "-aq").split()
    assert sorted(architecture(daemon, one) for one in shown) == ["amd64", "arm64"]


def test_a_docker_archive_of_another_platform_is_not_loaded(daemon: Daemon) -> None:
    layer = tar({"f": b"1"})
    path = daemon.directory / "arm.tar"
    path.write_bytes(docker_archive([layer], image_config=config([layer], architecture="arm64")))
    assert "it holds linux/arm64" in refused(daemon, "load", "--platform", AMD, "-i", str(path))
    assert said(daemon, "images", "-aq") == ""
    said(daemon, "load", "--platform", ARM, "-i", str(path))


def test_verbs_refuse_another_platform_and_take_their_own(daemon: Daemon) -> None:
    said(daemon, "load", "-i", both_platforms(daemon))
    out = str(daemon.directory / "out.tar")
    for words in (
        ["save", "-o", out],
        ["history", "-q"],
        ["image", "inspect", "-f", "{{.Id}}"],
        ["push"],
        ["image", "rm"],
    ):
        assert "does not match the specified platform" in refused(
            daemon, *words, "--platform", ARM, "two:1"
        )
        if words != ["push"]:  # there is no registry
            said(daemon, *words, "--platform", AMD, "two:1")
    assert said(daemon, "images", "-aq") == ""
    assert said(daemon, "load", "--platform", AMD, "-i", out) == "Loaded image: two:1\n"


def test_what_a_prune_tells_it_does(daemon: Daemon) -> None:
    said(daemon, "load", "-i", both_platforms(daemon))
    said(daemon, "load", "--platform", ARM, "-i", both_platforms(daemon))
    said(daemon, "tag", "two:1", "three:1")
    assert len(said(daemon, "images", "-aq").split()) == 3  # one row a name
    for flag in ("-f", "-af"):
        told = said(daemon, "image", "prune", "--dry-run", flag)
        done = said(daemon, "image", "prune", flag)
        removed = [line for line in done.splitlines() if line.startswith(("untagged", "deleted"))]
        assert removed
        assert [line for line in told.splitlines() if line in removed] == removed
        assert told.splitlines()[-1].split(": ")[1] == done.splitlines()[-1].split(": ")[1]
    assert said(daemon, "images", "-aq") == ""
