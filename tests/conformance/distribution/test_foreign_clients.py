"""skopeo, podman and docker against `wharfie-registry`: what they push keeps its digest.

Source: issue 8, "Must hold" 1.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.debian import Program, debian_program
from support.netns import poll
from support.registry_server import RegistryServer, descriptor, digest_of, index, manifest
from wharfie.formats.oci.descriptor import OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST

LIBRARIES = (
    "libgpgme11", "libgpgme11t64", "libassuan0", "libassuan9", "libgpg-error0", "libsqlite3-0"
)  # fmt: skip
POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'


@pytest.fixture(scope="module")
def skopeo() -> Program:
    return debian_program("usr/bin/skopeo", "skopeo", *LIBRARIES)


@pytest.fixture
def images(tmp_path: Path) -> tuple[Path, str]:
    """An image layout with an index of two platforms, and the index's digest."""
    top = tmp_path / "layout"
    (top / "blobs/sha256").mkdir(parents=True)

    def put(data: bytes) -> str:
        digest = digest_of(data)
        (top / "blobs/sha256" / digest[7:]).write_bytes(data)
        return digest

    def image(architecture: str) -> dict:
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as archive:
            archive.addfile(tarfile.TarInfo(f"hello-{architecture}"))
        layer = gzip.compress(raw.getvalue(), mtime=0)
        config = json.dumps(
            {
                "architecture": architecture,
                "os": "linux",
                "rootfs": {"type": "layers", "diff_ids": [digest_of(raw.getvalue())]},
                "config": {"Cmd": ["/hello"]},
            }
        ).encode()
        document = manifest(config)
        document["config"] = descriptor(config, OCI_CONFIG)
        document["layers"] = [descriptor(layer, OCI_LAYER_GZIP)]
        data = json.dumps(document).encode()
        for one in (layer, config, data):
            put(one)
        platform = {"os": "linux", "architecture": architecture}
        return descriptor(data, OCI_MANIFEST, platform=platform)

    data = json.dumps(index(image("amd64"), image("arm64"))).encode()
    put(data)
    named = descriptor(data, OCI_INDEX, annotations={"org.opencontainers.image.ref.name": "v1"})
    (top / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (top / "index.json").write_text(json.dumps(index(named)))
    return top, digest_of(data)


def run(program: Program, *words: str, **environment: str) -> str:
    done = subprocess.run(
        [program.path, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={**program.environment, "PATH": "/usr/bin:/bin", **environment},
    )
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def test_skopeo_copies_everything(
    registry: RegistryServer, skopeo: Program, images: tuple[Path, str], tmp_path: Path
) -> None:
    """In, from repository to repository, and out again: every digest is the same."""
    layout, digest = images
    host = f"{registry.host}:{registry.port}"
    copy = ["--insecure-policy", "--tmpdir", str(tmp_path), "copy", "--all"]
    insecure = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    run(skopeo, *copy, *insecure, f"oci:{layout}:v1", f"docker://{host}/skopeo/in:v1")
    run(
        skopeo,
        *copy,
        *insecure,
        f"docker://{host}/skopeo/in:v1",
        f"docker://{host}/skopeo/out:v2",
    )
    for name, tag in (("skopeo/in", "v1"), ("skopeo/out", "v2")):
        found = registry.ask("HEAD", f"/v2/{name}/manifests/{tag}")
        assert found.headers["docker-content-digest"] == digest
    out = tmp_path / "out"
    run(skopeo, *copy, *insecure, f"docker://{host}/skopeo/out@{digest}", f"oci:{out}:v1")
    blobs = {path.name for path in (layout / "blobs/sha256").iterdir()}
    assert {path.name for path in (out / "blobs/sha256").iterdir()} == blobs
    tags = run(skopeo, "list-tags", "--tls-verify=false", f"docker://{host}/skopeo/out")
    assert json.loads(tags)["Tags"] == ["v2"]
    seen = run(
        skopeo, "inspect", "--override-arch", "arm64", "--tls-verify=false",
        f"docker://{host}/skopeo/in:v1",
    )  # fmt: skip
    assert json.loads(seen)["Architecture"] == "arm64"
    run(skopeo, "delete", "--tls-verify=false", f"docker://{host}/skopeo/out@{digest}")
    assert registry.ask("GET", f"/v2/skopeo/out/manifests/{digest}").status == 404


@pytest.mark.parametrize("kind", ["v2s2", "oci"])
def test_skopeo_pushes_either_family(
    registry: RegistryServer, skopeo: Program, images: tuple[Path, str], tmp_path: Path, kind: str
) -> None:
    layout, _ = images
    host = f"{registry.host}:{registry.port}"
    target = f"docker://{host}/skopeo/{kind}:v1"
    run(
        skopeo, "--insecure-policy", "--tmpdir", str(tmp_path), "--override-os", "linux",
        "--override-arch", "amd64", "copy", "--format", kind, "--dest-tls-verify=false",
        f"oci:{layout}:v1", target,
    )  # fmt: skip
    found = registry.ask("GET", f"/v2/skopeo/{kind}/manifests/v1")
    assert ("docker" in found.headers["content-type"]) == (kind == "v2s2")
    told = json.loads(run(skopeo, "inspect", "--tls-verify=false", target))
    assert told["Digest"] == digest_of(found.body)


@pytest.fixture
def short_path() -> Iterator[Path]:
    """podman takes no path of more than 50 characters."""
    with tempfile.TemporaryDirectory(prefix="podman-") as path:
        yield Path(path)


@pytest.mark.root
def test_podman_pulls_and_pushes(
    registry: RegistryServer,
    skopeo: Program,
    images: tuple[Path, str],
    tmp_path: Path,
    short_path: Path,
) -> None:
    podman = debian_program(
        "usr/bin/podman", "podman", "conmon", "crun", "netavark", "libsubid4", "libsubid5",
        "libyajl2", "libglib2.0-0", "libglib2.0-0t64", "libpcre2-8-0",
        "golang-github-containers-common", *LIBRARIES,
    )  # fmt: skip
    layout, _ = images
    host = f"{registry.host}:{registry.port}"
    run(
        skopeo, "--insecure-policy", "--tmpdir", str(tmp_path), "copy", "--all",
        "--dest-tls-verify=false", f"oci:{layout}:v1", f"docker://{host}/podman/in:v1",
    )  # fmt: skip
    home = short_path
    (home / ".config/containers").mkdir(parents=True)
    (home / ".config/containers/policy.json").write_text(POLICY)
    engine = home / "containers.conf"
    engine.write_text(f'[engine]\nhelper_binaries_dir = ["{podman.unpacked}/usr/lib/podman"]\n')
    unpacked = podman.unpacked / "usr/bin"
    options = [
        "--root", f"{home}/root", "--runroot", f"{home}/run", "--tmpdir", f"{home}/tmp",
        "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none",
        "--conmon", f"{unpacked}/conmon", "--runtime", f"{unpacked}/crun",
        "--network-config-dir", f"{home}/net",
    ]  # fmt: skip

    def asked(*words: str) -> str:
        return run(podman, *options, *words, HOME=str(home), CONTAINERS_CONF=str(engine))

    asked("pull", "--tls-verify=false", f"{host}/podman/in:v1")
    image = asked("images", "--no-trunc", "--quiet").strip().rpartition(":")[2]
    asked("push", "--tls-verify=false", image, f"docker://{host}/podman/out:v1")
    pushed = registry.ask("GET", "/v2/podman/out/manifests/v1")
    assert pushed.json["config"]["digest"] == f"sha256:{image}"
    asked("rmi", "--all", "--force")
    asked("pull", "--tls-verify=false", f"{host}/podman/out:v1")
    assert image in asked("images", "--no-trunc", "--quiet")


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    with Daemon() as own:
        own.start()
        own.load_busybox()
        yield own


@pytest.fixture(scope="module")
def beside(daemon: Daemon) -> Iterator[str]:
    """A registry in the daemon's network: `127.0.0.1:5000`."""
    root = daemon.directory / "wharfie-registry"
    root.mkdir()
    program = Path(sys.executable).parent / "wharfie-registry"
    words = ["serve", "--addr", "127.0.0.1:5000", "--root", str(root)]
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            daemon.namespaces.command(str(program), *words), stdout=log, stderr=log
        )
        probe = "import socket; socket.create_connection(('127.0.0.1', 5000), 1)"
        for _ in poll("wharfie-registry to listen", 20):
            assert process.poll() is None, (root / "log").read_text()
            if daemon.namespaces.run("python3", "-c", probe).returncode == 0:
                break
        yield "127.0.0.1:5000"
        process.terminate()
        process.wait(20)


@pytest.mark.root
def test_docker_pushes_and_pulls(daemon: Daemon, beside: str) -> None:
    """The genuine command line, our daemon, our registry."""

    def docker(*words: str) -> str:
        done = daemon.docker(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    ref = f"{beside}/team/app:1"
    docker("tag", "busybox", ref)
    image = docker("inspect", "--format", "{{.Id}}", ref)
    pushed = re.search(r"digest: (sha256:[0-9a-f]{64}) size: \d+", docker("push", ref))
    assert pushed
    assert "Layer already exists" in docker("push", ref)
    # A blob it has under another name is mounted, not sent.
    docker("tag", "busybox", f"{beside}/other/app:1")
    assert f"Mounted from {beside}/team/app" in docker("push", f"{beside}/other/app:1")
    docker("rmi", ref, f"{beside}/other/app:1")
    assert pushed[1] in docker("pull", ref)
    assert docker("inspect", "--format", "{{.Id}}", ref) == image
    assert docker("run", "--rm", ref, "echo", "up") == "up\n"


def test_a_client_of_http_1_0(registry: RegistryServer) -> None:
    """Old proxies: an answer ends with the connection or its length, never in chunks."""
    digest = registry.push_blob("old/client", b"x" * 200_000)
    with socket.create_connection((registry.host, registry.port)) as raw:
        raw.sendall(f"GET /v2/old/client/blobs/{digest} HTTP/1.0\r\n\r\n".encode())
        answer = b""
        while piece := raw.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 200 " in head.partition(b"\r\n")[0]
    assert b"chunked" not in head.lower()
    assert body == b"x" * 200_000
