"""Broken blobs: found by scrub, never served, healed by the next push."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.registry_server import RegistryServer, digest_of


def spoil(path: Path) -> None:
    """Flip a bit, as a disk would: neither size nor times tell."""
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def scrub(registry: RegistryServer):
    return registry.run(registry.registry.upkeep.scrub(rate=0))


def test_scrub_finds_what_the_disk_has_lost(tmp_path: Path) -> None:
    layer = os.urandom(300_000)
    with RegistryServer(tmp_path) as registry:
        registry.push_image("app", "v1", (layer, b"sound"))
        assert not scrub(registry).broken
        spoil(registry.blob_file(digest_of(layer)))
        report = scrub(registry)
        assert report.broken == [digest_of(layer)]
        assert report.checked == 4
        path = f"/v2/app/blobs/{digest_of(layer)}"
        for method in ("GET", "HEAD"):
            assert registry.ask(method, path).status == 404
        assert registry.ask("GET", f"/v2/app/blobs/{digest_of(b'sound')}").body == b"sound"
        # Clients see that it is missing and push it; what is broken was set aside.
        registry.push_blob("app", layer)
        assert registry.ask("GET", path).body == layer
        assert not scrub(registry).broken
        aside = tmp_path / "wharfie/quarantine" / digest_of(layer).replace(":", "/")
        assert digest_of(aside.read_bytes()) != digest_of(layer)


@pytest.mark.parametrize("damage", ["changed", "shorter", "longer", "empty"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_file_that_was_changed_is_never_served(
    tmp_path: Path, damage: str, restart: bool
) -> None:
    layer = os.urandom(200_000)
    with RegistryServer(tmp_path) as registry:
        registry.push_image("app", "v1", (layer,))
        path = registry.blob_file(digest_of(layer))
        if not restart:
            assert registry.ask("GET", f"/v2/app/blobs/{digest_of(layer)}").body == layer
            damage_file(path, layer, damage)
            assert registry.ask("GET", f"/v2/app/blobs/{digest_of(layer)}").status == 404
            return
    damage_file(path, layer, damage)
    with RegistryServer(tmp_path) as registry:
        asked = registry.ask("GET", f"/v2/app/blobs/{digest_of(layer)}", Range="bytes=0-9")
        assert asked.status == 404


def damage_file(path: Path, data: bytes, damage: str) -> None:
    match damage:
        case "changed":
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case "shorter":
            path.write_bytes(data[:-1])
        case "longer":
            path.write_bytes(data + b"x")
        case "empty":
            path.write_bytes(b"")


def test_a_broken_manifest_is_not_served(tmp_path: Path) -> None:
    with RegistryServer(tmp_path) as registry:
        digest = registry.push_image("app", "v1")
    spoil(registry.blob_file(digest))
    with RegistryServer(tmp_path) as registry:
        for reference in ("v1", digest):
            assert registry.ask("GET", f"/v2/app/manifests/{reference}").status == 404
        registry.push_image("app", "v1")
        assert registry.ask("GET", "/v2/app/manifests/v1").status == 200


def test_a_directory_of_dockers_registry_is_served(tmp_path: Path) -> None:
    """Its files bear no mark of ours: they are read before they are served, once."""
    with RegistryServer(tmp_path) as registry:
        digest = registry.push_image("app", "v1", (b"layer",))
    for path in (tmp_path / "docker").rglob("data"):
        for name in os.listxattr(path):
            os.removexattr(path, name)
    with RegistryServer(tmp_path) as registry:
        assert (
            registry.ask("GET", "/v2/app/manifests/v1").headers["docker-content-digest"] == digest
        )
        assert registry.ask("GET", f"/v2/app/blobs/{digest_of(b'layer')}").body == b"layer"
        assert os.listxattr(registry.blob_file(digest_of(b"layer")))


def test_a_broken_blob_is_not_mounted_nor_taken_for_pushed(tmp_path: Path) -> None:
    with RegistryServer(tmp_path) as registry:
        digest = registry.push_blob("a", b"some bytes")
        registry.blob_file(digest).write_bytes(b"other bytes")
        begun = registry.ask("POST", f"/v2/b/blobs/uploads/?mount={digest}&from=a")
        assert begun.status == 202
        registry.push_blob("b", b"some bytes")
        for name in ("a", "b"):
            assert registry.ask("GET", f"/v2/{name}/blobs/{digest}").body == b"some bytes"


def test_a_broken_blob_in_use_is_not_served_either(tmp_path: Path) -> None:
    """Nobody may move it away while somebody holds it; what is broken is known all the same."""
    with RegistryServer(tmp_path) as registry:
        digest = registry.push_blob("a", b"some bytes")
        spoil(registry.blob_file(digest))

        async def scrub_while_held():
            async with registry.content.pins.hold(digest):
                return await registry.registry.upkeep.scrub(rate=0)

        assert registry.run(scrub_while_held()).broken == [digest]
        assert registry.blob_file(digest).exists()
        assert registry.ask("GET", f"/v2/a/blobs/{digest}").status == 404
        registry.push_blob("a", b"some bytes")
        assert registry.ask("GET", f"/v2/a/blobs/{digest}").body == b"some bytes"
