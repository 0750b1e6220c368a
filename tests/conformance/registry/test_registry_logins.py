"""Genuine docker CLI and skopeo with our registry's accounts and tokens, cache and mirror.

Source: issue 8, "Access", "Pull-through cache"; Debian's docker-registry is the upstream.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import pytest

from support.daemon import Daemon
from support.debian import Program, debian_program
from support.docker_registry import DockerRegistry, trust
from support.own_registry import OwnRegistry

pytestmark = pytest.mark.root

ACCESS = """
auth:
  htpasswd: {realm: ours, path: FOLDER/htpasswd}
storage:
  delete: {enabled: true}
wharfie:
  access:
    rules:
      - {users: [anonymous], repositories: ["public/**"]}
      - {users: [joe], repositories: ["**"], actions: [pull, push, delete]}
"""
CACHE = """
wharfie:
  upstreams:
    - {prefix: up, remoteurl: "http://127.0.0.1:5000", ttl: 0s}
"""


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with Daemon() as own:
        own.start()
        own.load_busybox()
        yield own


@pytest.fixture(scope="module")
def registry(daemon: Daemon) -> Iterator[OwnRegistry]:
    with OwnRegistry(daemon, ACCESS, address="10.77.0.2", port=5444) as found:
        trust(daemon, found)
        yield found


@pytest.fixture(scope="module")
def skopeo() -> Program:
    for libraries in (("libgpgme11", "libassuan0"), ("libgpgme11t64", "libassuan9")):
        try:
            return debian_program("usr/bin/skopeo", "skopeo", *libraries)
        except pytest.skip.Exception as error:
            reason = error
    raise reason


def docker(daemon: Daemon, *words: str, stdin: str = "") -> str:
    done = daemon.docker(*words, stdin=stdin)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def refused(daemon: Daemon, *words: str, stdin: str = "") -> str:
    done = daemon.docker(*words, stdin=stdin)
    assert done.returncode != 0, done.stdout
    return done.stderr


def test_docker_logs_in_for_a_token_and_is_anonymous_without(
    daemon: Daemon, registry: OwnRegistry
) -> None:
    private, public = f"{registry.host}/team/app:1", f"{registry.host}/public/app:1"
    for ref in (private, public):
        docker(daemon, "tag", "busybox", ref)
        assert refused(daemon, "push", ref)
    login = ["login", "-u", "joe", "--password-stdin", registry.host]
    assert "unauthorized" in refused(daemon, *login, stdin="wrong")
    assert "Login Succeeded" in docker(daemon, *login, stdin="secret")
    for ref in (private, public):
        docker(daemon, "push", ref)
        docker(daemon, "rmi", ref)
        docker(daemon, "pull", ref)
        docker(daemon, "rmi", ref)
    docker(daemon, "logout", registry.host)
    docker(daemon, "pull", public)
    assert "denied" in refused(daemon, "pull", private)
    assert "secret" not in registry.log()


def test_skopeo_gets_tokens_as_well(daemon: Daemon, registry: OwnRegistry, skopeo: Program) -> None:
    def run(*words: str, expect: bool = True) -> str:
        done = daemon.namespaces.run(
            skopeo.path, "--insecure-policy", "--tmpdir", str(daemon.directory), *words,
            environment=skopeo.environment,
        )  # fmt: skip
        assert (done.returncode == 0) is expect, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    docker(daemon, "login", "-u", "joe", "--password-stdin", registry.host, stdin="secret")
    for name in ("team/sk", "public/sk"):
        docker(daemon, "tag", "busybox", f"{registry.host}/{name}:1")
        docker(daemon, "push", f"{registry.host}/{name}:1")
    docker(daemon, "logout", registry.host)
    certs = ("--cert-dir", str(registry.folder / "certs"))
    (registry.folder / "certs").mkdir()
    (registry.folder / "certs/ca.crt").write_bytes(registry.ca.read_bytes())
    at = f"docker://{registry.host}"
    assert json.loads(run("inspect", *certs, "--no-creds", f"{at}/public/sk:1"))["Name"]
    run("inspect", *certs, "--no-creds", f"{at}/team/sk:1", expect=False)
    run("inspect", *certs, "--creds", "joe:wrong", f"{at}/team/sk:1", expect=False)
    found = json.loads(run("inspect", *certs, "--creds", "joe:secret", f"{at}/team/sk:1"))
    run(
        "copy", "--all", "--preserve-digests", "--src-cert-dir", certs[1], "--dest-cert-dir",
        certs[1], "--src-creds", "joe:secret", "--dest-creds", "joe:secret",
        f"{at}/team/sk:1", f"{at}/other/sk:2",
    )  # fmt: skip
    again = json.loads(run("inspect", *certs, "--creds", "joe:secret", f"{at}/other/sk:2"))
    assert again["Digest"] == found["Digest"]
    run("delete", *certs, "--creds", "joe:secret", f"{at}/other/sk:2")
    run("inspect", *certs, "--creds", "joe:secret", f"{at}/other/sk:2", expect=False)


def test_a_genuine_registry_is_cached_and_mirrored(daemon: Daemon) -> None:
    with (
        OwnRegistry(daemon, CACHE, port=5001) as cache,
        OwnRegistry(daemon, "", port=5002) as backup,
    ):
        with DockerRegistry(daemon, secured=False) as upstream:
            docker(daemon, "tag", "busybox", f"{upstream.host}/team/app:1")
            pushed = docker(daemon, "push", f"{upstream.host}/team/app:1")
            digest = pushed.partition("digest: ")[2].split()[0]
            docker(daemon, "pull", f"{cache.host}/up/team/app:1")
            words = ["mirror", f"{upstream.host}/team/*", f"{backup.host}/copies"]
            done = daemon.namespaces.run(sys.executable, "-m", "wharfie.registry.main", *words)
            assert done.returncode == 0, done.stdout + done.stderr
            assert "1 copied, 0 unchanged, 0 failed" in done.stdout
        for ref in (f"{cache.host}/up/team/app:1", f"{backup.host}/copies/team/app:1"):
            daemon.docker("rmi", ref)
            assert f"Digest: {digest}" in docker(daemon, "pull", ref)
