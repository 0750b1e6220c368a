"""Genuine docker CLI, skopeo and Debian's docker-registry with our daemon: digests equal.

Source: issue 5, "Must hold" 1.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from support.daemon import Daemon
from support.debian import Program, debian_program
from support.docker_registry import DockerRegistry, trust

pytestmark = pytest.mark.root

DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64}) size: (\d+)")


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with Daemon() as own:
        own.start()
        own.load_busybox()
        yield own


@pytest.fixture(scope="module")
def plain(daemon: Daemon) -> Iterator[DockerRegistry]:
    with DockerRegistry(daemon, secured=False) as registry:
        yield registry


@pytest.fixture(scope="module")
def secured(daemon: Daemon) -> Iterator[DockerRegistry]:
    with DockerRegistry(daemon, secured=True) as registry:
        yield registry


@pytest.fixture(scope="module")
def skopeo() -> Program:
    # Debian 12's names and Debian 13's: those a Debian does not have are left out.
    libraries = (
        "libgpgme11", "libgpgme11t64", "libassuan0", "libassuan9", "libgpg-error0", "libsqlite3-0"
    )  # fmt: skip
    return debian_program("usr/bin/skopeo", "skopeo", *libraries)


def docker(daemon: Daemon, *words: str, stdin: str = "") -> str:
    done = daemon.docker(*words, stdin=stdin)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def fails(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode != 0, done.stdout
    return done.stderr


def image_id(daemon: Daemon, ref: str) -> str:
    return docker(daemon, "inspect", "--format", "{{.Id}}", ref).strip()


def run_skopeo(daemon: Daemon, skopeo: Program, *words: str) -> str:
    done = daemon.namespaces.run(
        skopeo.path,
        "--insecure-policy",
        "--tmpdir",
        str(daemon.directory),
        *words,
        environment=skopeo.environment,
    )
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def test_push_and_pull_again(daemon: Daemon, plain: DockerRegistry) -> None:
    ref = f"{plain.host}/one/app:1"
    docker(daemon, "tag", "busybox", ref)
    before = image_id(daemon, ref)
    pushed = docker(daemon, "push", ref)
    assert f"The push refers to repository [{plain.host}/one/app]" in pushed
    found = DIGEST.search(pushed)
    assert found, pushed
    again = docker(daemon, "push", ref)
    assert "Layer already exists" in again
    assert found[0] in again
    docker(daemon, "rmi", ref)
    pulled = docker(daemon, "pull", ref)
    assert f"Digest: {found[1]}" in pulled
    assert image_id(daemon, ref) == before
    by_digest = docker(daemon, "pull", f"{plain.host}/one/app@{found[1]}")
    assert "Image is up to date" in by_digest
    assert docker(daemon, "run", "--rm", ref, "echo", "up") == "up\n"


def test_blobs_are_mounted_from_another_repository(daemon: Daemon, plain: DockerRegistry) -> None:
    first, second = f"{plain.host}/mount/a:1", f"{plain.host}/mount/b:1"
    for ref in (first, second):
        docker(daemon, "tag", "busybox", ref)
    docker(daemon, "push", first)
    assert f"Mounted from {plain.host}/mount/a" in docker(daemon, "push", second)


def test_all_tags_there_and_back(daemon: Daemon, plain: DockerRegistry) -> None:
    name = f"{plain.host}/many/app"
    for tag in ("1", "2", "latest"):
        docker(daemon, "tag", "busybox", f"{name}:{tag}")
    docker(daemon, "push", "--all-tags", name)
    docker(daemon, "rmi", f"{name}:1", f"{name}:2", f"{name}:latest")
    docker(daemon, "pull", "--all-tags", name)
    tags = docker(daemon, "images", "--format", "{{.Tag}}", name).split()
    assert sorted(tags) == ["1", "2", "latest"]


def test_a_registry_that_wants_a_user_and_shows_a_certificate(
    daemon: Daemon, secured: DockerRegistry
) -> None:
    ref = f"{secured.host}/private/app:1"
    docker(daemon, "tag", "busybox", ref)
    login = ["login", "-u", "joe", "--password-stdin", secured.host]
    unknown = fails(daemon.docker(*login, stdin="secret"))
    assert "failed to verify certificate" in unknown
    trust(daemon, secured)
    wrong = fails(daemon.docker(*login, stdin="wrong"))
    assert re.search(r"unauthorized|no basic auth", wrong)
    assert "no basic auth credentials" in fails(daemon.docker("push", ref))
    assert "Login Succeeded" in docker(daemon, *login, stdin="secret")
    found = DIGEST.search(docker(daemon, "push", ref))
    assert found
    docker(daemon, "rmi", ref)
    assert f"Digest: {found[1]}" in docker(daemon, "pull", ref)
    inspected = json.loads(docker(daemon, "manifest", "inspect", "--insecure", ref) or "{}")
    assert inspected["config"]["digest"] == image_id(daemon, ref)
    docker(daemon, "logout", secured.host)
    docker(daemon, "rmi", ref)
    assert "no basic auth credentials" in fails(daemon.docker("pull", ref))


def test_our_own_client_logs_in_pushes_and_pulls(daemon: Daemon, secured: DockerRegistry) -> None:
    trust(daemon, secured)
    ref = f"{secured.host}/own/app:1"

    def wharfie(*words: str, stdin: str = "") -> str:
        done = daemon.wharfie(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    wharfie("login", "-u", "joe", "--password-stdin", secured.host, stdin="secret")
    wharfie("tag", "busybox", ref)
    assert DIGEST.search(wharfie("push", ref))
    wharfie("rmi", ref)
    assert wharfie("pull", "-q", ref) == f"{ref}\n"
    wharfie("logout", secured.host)


def test_skopeo_copies_in_and_out(daemon: Daemon, plain: DockerRegistry, skopeo: Program) -> None:
    version = run_skopeo(daemon, skopeo, "--version").split()[-1]
    if tuple(map(int, version.split(".")[:2])) < (1, 10):
        pytest.skip(f"skopeo {version} speaks API 1.22, which Docker refuses too since 25")
    ref = f"{plain.host}/skopeo/app:1"
    socket = ["--src-daemon-host", daemon.host]
    run_skopeo(
        daemon, skopeo, "copy", *socket, "--dest-tls-verify=false",
        "docker-daemon:busybox:latest", f"docker://{ref}",
    )  # fmt: skip
    docker(daemon, "pull", ref)
    assert image_id(daemon, ref) == image_id(daemon, "busybox")
    run_skopeo(
        daemon, skopeo, "copy", "--src-tls-verify=false", "--dest-daemon-host", daemon.host,
        f"docker://{ref}", "docker-daemon:from-skopeo:1",
    )  # fmt: skip
    assert image_id(daemon, "from-skopeo:1") == image_id(daemon, "busybox")
    assert docker(daemon, "run", "--rm", "from-skopeo:1", "echo", "up") == "up\n"


@pytest.mark.parametrize("kind", ["oci", "v2s2"])
@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_others_pushed_keeps_its_digest(
    daemon: Daemon, plain: DockerRegistry, skopeo: Program, kind: str, compression: str
) -> None:
    if (kind, compression) == ("v2s2", "zstd"):
        pytest.skip("schema 2 has no zstd")
    ref = f"{plain.host}/kinds/{kind}-{compression}:1"
    archive = daemon.directory / f"{kind}-{compression}.tar"
    docker(daemon, "save", "-o", str(archive), "busybox")
    run_skopeo(
        daemon, skopeo, "copy", "--format", kind, "--dest-compress-format", compression,
        "--dest-tls-verify=false", f"docker-archive:{archive}", f"docker://{ref}",
    )  # fmt: skip
    docker(daemon, "pull", ref)
    copy = f"{plain.host}/copies/{kind}-{compression}:1"
    docker(daemon, "tag", ref, copy)
    found = DIGEST.search(docker(daemon, "push", copy))
    assert found
    raw = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}"]
    for where in (ref, copy):
        assert run_skopeo(daemon, skopeo, *raw, f"docker://{where}").strip() == found[1]
    assert docker(daemon, "run", "--rm", ref, "echo", "up") == "up\n"


def test_archives_are_read_by_others_and_theirs_by_us(daemon: Daemon, skopeo: Program) -> None:
    saved = daemon.directory / "saved.tar"
    docker(daemon, "save", "-o", str(saved), "busybox")
    oci = daemon.directory / "oci.tar"
    run_skopeo(daemon, skopeo, "copy", f"docker-archive:{saved}", f"oci-archive:{oci}:app")
    again = daemon.directory / "again.tar"
    run_skopeo(daemon, skopeo, "copy", f"oci-archive:{oci}:app", f"docker-archive:{again}:again:1")
    docker(daemon, "load", "-i", str(again))
    layers = "{{.RootFS.Layers}}"
    assert docker(daemon, "inspect", "--format", layers, "again:1") == docker(
        daemon, "inspect", "--format", layers, "busybox"
    )
    loaded = docker(daemon, "load", "-i", str(oci))
    assert "Loaded image" in loaded
