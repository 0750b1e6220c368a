"""A registry whose bytes are in an object store that checks every signature."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.registry import Registry
from support.registry_server import RegistryServer, digest_of, manifest, with_digest
from support.s3_server import BUCKET, KEY, REGION, SECRET, S3Server
from wharfie.registry.config import Config, ConfigError, load

MIB = 1 << 20


@pytest.fixture
def bucket() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


def configure(folder: Path, bucket: S3Server, more: str = "", secret: str = SECRET) -> Config:
    (folder / "config.yml").write_text(
        f"storage:\n  delete:\n    enabled: true\n  s3:\n    bucket: {BUCKET}\n"
        f"    region: {REGION}\n    regionendpoint: {bucket.url}\n    accesskey: {KEY}\n"
        f"    secretkey: {secret}\n    chunksize: 5MiB\n    rootdirectory: /reg\n{more}"
    )
    return load(str(folder / "config.yml"), environment={})


@pytest.fixture
def registry(tmp_path: Path, bucket: S3Server) -> Iterator[RegistryServer]:
    with RegistryServer(tmp_path / "root", configure(tmp_path, bucket)) as found:
        yield found


def test_an_image_is_pushed_pulled_and_deleted(registry: RegistryServer, bucket: S3Server) -> None:
    layer = os.urandom(11 * MIB)
    digest = registry.push_image("team/app", "1", (layer, b"small"))
    found = registry.ask("GET", "/v2/team/app/manifests/1")
    assert digest_of(found.body) == digest
    path = f"/v2/team/app/blobs/{digest_of(layer)}"
    assert registry.ask("GET", path).body == layer
    part = registry.ask("GET", path, Range=f"bytes={MIB}-{6 * MIB}")
    assert (part.status, part.body == layer[MIB : 6 * MIB + 1]) == (206, True)
    assert registry.ask("HEAD", path).headers["content-length"] == str(len(layer))
    assert registry.ask("GET", "/v2/_catalog").json["repositories"] == ["team/app"]
    assert registry.ask("GET", "/v2/team/app/tags/list").json["tags"] == ["1"]
    assert all(name.startswith(f"{BUCKET}/reg/") for name in bucket.objects)
    assert registry.ask("DELETE", f"/v2/team/app/manifests/{digest}").status == 202
    assert registry.ask("GET", "/v2/team/app/manifests/1").status == 404


def test_an_upload_outlives_the_registry(tmp_path: Path, bucket: S3Server) -> None:
    data = os.urandom(9 * MIB)
    with RegistryServer(tmp_path / "a", configure(tmp_path, bucket)) as registry:
        place = registry.begin("app")
        done = registry.ask("PATCH", place, data[: 6 * MIB])
        assert done.status == 202
        place = done.headers["location"]
    with RegistryServer(tmp_path / "b", configure(tmp_path, bucket)) as registry:
        assert registry.ask("GET", place).headers["range"] == f"0-{6 * MIB - 1}"
        wrong = registry.ask("PATCH", place, b"x", Content_Range="5-5")
        assert wrong.status == 416
        done = registry.ask("PATCH", place, data[6 * MIB :],
                            Content_Range=f"{6 * MIB}-{9 * MIB - 1}")  # fmt: skip
        assert done.status == 202
        digest = digest_of(data)
        assert registry.ask("PUT", with_digest(done.headers["location"], digest)).status == 201
        assert registry.ask("GET", f"/v2/app/blobs/{digest}").body == data
    assert not [name for name in bucket.objects if "_uploads" in name]
    assert not bucket.parts


def test_wrong_bytes_are_not_kept(registry: RegistryServer, bucket: S3Server) -> None:
    reply = registry.ask("PUT", with_digest(registry.begin("app"), digest_of(b"a")), b"b")
    assert (reply.status, reply.codes) == (400, ["DIGEST_INVALID"])
    assert not [name for name in bucket.objects if "/blobs/" in name]


def test_a_store_that_fails_is_told_as_such(registry: RegistryServer, bucket: S3Server) -> None:
    registry.push_image("app", "1")

    def refuse(handler) -> bool:
        handler.error(403, "AccessDenied")
        return True

    bucket.rules.append(refuse)
    reply = registry.ask("GET", "/v2/app/manifests/1")
    assert (reply.status, reply.codes) == (503, ["UNAVAILABLE"])
    for secret in (SECRET.encode(), KEY.encode(), bucket.url.encode()):
        assert secret not in reply.body
    bucket.rules.clear()
    assert registry.ask("GET", "/v2/app/manifests/1").status == 200


def test_a_wrong_key_is_refused_by_the_store(tmp_path: Path, bucket: S3Server) -> None:
    config = configure(tmp_path, bucket, secret="wrong")
    with RegistryServer(tmp_path / "root", config) as registry:
        assert registry.ask("POST", "/v2/app/blobs/uploads/").status == 503
    assert not bucket.objects


def test_a_cache_in_an_object_store(tmp_path: Path, bucket: S3Server) -> None:
    layer = os.urandom(6 * MIB)
    with Registry() as upstream:
        image = upstream.add_image("app", "1", [], blobs=[layer])
        more = f"wharfie:\n  upstreams:\n  - prefix: up\n    remoteurl: http://{upstream.host}\n"
        with RegistryServer(tmp_path / "root", configure(tmp_path, bucket, more)) as cache:
            for _ in range(2):
                assert cache.ask("GET", "/v2/up/app/manifests/1").body == image.manifest
                assert cache.ask("GET", f"/v2/up/app/blobs/{digest_of(layer)}").body == layer
        assert upstream.paths().count(f"/v2/app/blobs/{digest_of(layer)}") == 1


def test_garbage_is_collected(registry: RegistryServer, bucket: S3Server) -> None:
    registry.push_blob("app", b"kept")
    registry.push_blob("app", b"{}")
    registry.push_manifest("app", manifest(b"{}", b"kept"), "1")
    registry.push_blob("app", b"garbage")
    report = registry.run(registry.registry.upkeep.collect(grace=0))
    assert report
    hexes = [digest_of(data).partition(":")[2] for data in (b"kept", b"garbage")]
    stored = [any(text in name for name in bucket.objects if "/blobs/" in name) for text in hexes]
    assert stored == [True, False]


def test_tokens_need_a_key_file(tmp_path: Path, bucket: S3Server) -> None:
    (tmp_path / "htpasswd").write_text("")
    config = configure(
        tmp_path, bucket, f"auth:\n  htpasswd:\n    path: {tmp_path}/htpasswd\n"
        "wharfie:\n  access:\n    tokens: {}\n"
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"tokens\.key"), RegistryServer(tmp_path / "r", config):
        pass
