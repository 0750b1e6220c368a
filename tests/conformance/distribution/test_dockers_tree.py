"""One directory, two registries: Debian's docker-registry serves what ours stored, and back."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.debian import debian_program
from support.netns import poll
from support.registry_server import Client, RegistryServer, digest_of
from wharfie.formats.oci.descriptor import OCI_MANIFEST

CONFIG = """version: 0.1
storage: {{filesystem: {{rootdirectory: {root}}}, delete: {{enabled: true}}}}
http: {{addr: "127.0.0.1:{port}"}}
log: {{level: warn, accesslog: {{disabled: true}}}}
"""


@contextmanager
def dockers_registry(root: Path, folder: Path) -> Iterator[Client]:
    program = debian_program("usr/bin/docker-registry", "docker-registry")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    config = folder / "config.yml"
    config.write_text(CONFIG.format(root=root, port=port))
    client = Client("127.0.0.1", port)
    process = subprocess.Popen(
        [program.path, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in poll("docker-registry to answer", 20):
            assert process.poll() is None
            with contextlib.suppress(OSError):
                client.ask("GET", "/v2/")
                break
        yield client
    finally:
        process.terminate()
        process.wait(20)


def check(client: Client, tag: str, digest: str, layer: bytes) -> None:
    found = client.ask("GET", f"/v2/team/app/manifests/{tag}", Accept=OCI_MANIFEST)
    assert found.status == 200
    assert digest_of(found.body) == digest
    assert client.ask("GET", f"/v2/team/app/blobs/{digest_of(layer)}").body == layer
    assert tag in client.ask("GET", "/v2/team/app/tags/list").json["tags"]
    assert client.ask("GET", "/v2/_catalog").json["repositories"] == ["team/app"]


def test_a_directory_changes_hands(tmp_path: Path) -> None:
    root = tmp_path / "root"
    with RegistryServer(root) as ours:
        first = ours.push_image("team/app", "ours", (b"our layer",))
    with dockers_registry(root, tmp_path) as theirs:
        check(theirs, "ours", first, b"our layer")
        second = theirs.push_image("team/app", "theirs", (b"their layer",))
        loose = theirs.push_blob("team/app", b"never named")
    with RegistryServer(root) as ours:
        check(ours, "ours", first, b"our layer")
        check(ours, "theirs", second, b"their layer")
        report = ours.run(ours.registry.upkeep.collect(grace=0.0))
        assert not report.problems
        assert ours.ask("GET", f"/v2/team/app/blobs/{loose}").status == 404
    with dockers_registry(root, tmp_path) as theirs:
        check(theirs, "ours", first, b"our layer")
        check(theirs, "theirs", second, b"their layer")
