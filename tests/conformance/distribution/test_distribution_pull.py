"""Workflow 1 of the OCI distribution specification 1.1, Pull, statement by statement."""

import hashlib
import json

import pytest

from support.registry_server import RegistryServer, descriptor, digest_of, index, manifest
from wharfie.formats.oci.descriptor import (
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
)

UNKNOWN = "sha256:" + "0" * 64


def test_1_1_the_base_says_that_this_is_a_registry(registry: RegistryServer) -> None:
    """end-1: GET /v2/ is 200."""
    for path in ("/v2/", "/v2"):
        answer = registry.ask("GET", path)
        assert answer.status == 200
        assert answer.headers["docker-distribution-api-version"] == "registry/2.0"


def test_1_2_a_manifest_is_got_by_tag_and_by_digest(registry: RegistryServer) -> None:
    """end-3: GET is 200 with the manifest, its type, and its digest."""
    digest = registry.push_image("pull/image", "v1")
    for reference in ("v1", digest):
        answer = registry.ask("GET", f"/v2/pull/image/manifests/{reference}")
        assert answer.status == 200
        assert answer.headers["content-type"] == OCI_MANIFEST
        assert answer.headers["docker-content-digest"] == digest
        assert digest_of(answer.body) == digest


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("reference", ["nothing", UNKNOWN])
def test_1_3_an_unknown_manifest_is_404(
    registry: RegistryServer, method: str, reference: str
) -> None:
    registry.push_image("pull/known", "v1")
    for name, code in (("pull/known", "MANIFEST_UNKNOWN"), ("pull/none", "NAME_UNKNOWN")):
        answer = registry.ask(method, f"/v2/{name}/manifests/{reference}")
        assert answer.status == 404
        if method == "GET":
            assert answer.codes == [code]


def test_1_4_a_reference_is_a_tag_or_a_digest_and_nothing_else(registry: RegistryServer) -> None:
    registry.push_image("pull/forms", "v1")
    for reference, code in (
        (".hidden", "TAG_INVALID"),
        ("a" * 129, "TAG_INVALID"),
        ("sha256:short", "DIGEST_INVALID"),
        ("md5:" + "0" * 32, "DIGEST_INVALID"),
    ):
        answer = registry.ask("GET", f"/v2/pull/forms/manifests/{reference}")
        assert (answer.status, answer.codes) == (400, [code])


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_1_5_a_blob_is_got_by_its_digest(registry: RegistryServer, algorithm: str) -> None:
    """end-2: GET is 200 with the blob; the digest field is that of the body."""
    data = b"a blob" * 50_000
    digest = registry.push_blob("pull/blob", data, algorithm)
    answer = registry.ask("GET", f"/v2/pull/blob/blobs/{digest}")
    assert answer.status == 200
    assert answer.body == data
    assert answer.headers["docker-content-digest"] == digest


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_1_6_an_unknown_blob_is_404(registry: RegistryServer, method: str) -> None:
    answer = registry.ask(method, f"/v2/pull/blob/blobs/{UNKNOWN}")
    assert answer.status == 404
    if method == "GET":
        assert answer.codes == ["BLOB_UNKNOWN"]


def test_1_7_head_tells_what_get_would(registry: RegistryServer) -> None:
    manifest_digest = registry.push_image("pull/head", "v1")
    blob = registry.push_blob("pull/head", b"x" * 100_000)
    for path, digest in (
        ("manifests/v1", manifest_digest),
        (f"manifests/{manifest_digest}", manifest_digest),
        (f"blobs/{blob}", blob),
    ):
        got = registry.ask("GET", f"/v2/pull/head/{path}")
        told = registry.ask("HEAD", f"/v2/pull/head/{path}")
        assert told.status == 200
        assert told.body == b""
        assert told.headers["docker-content-digest"] == digest
        for name in ("content-length", "content-type", "etag"):
            assert told.headers[name] == got.headers[name]
        assert int(told.headers["content-length"]) == len(got.body)


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=100-", 100, 100_000),
        ("bytes=-5", 99_995, 100_000),
        ("bytes=99990-200000", 99_990, 100_000),
        ("bytes=-200000", 0, 100_000),
    ],
)
def test_1_8_a_range_of_a_blob_is_206(
    registry: RegistryServer, asked: str, first: int, end: int
) -> None:
    """Registries SHOULD support Range as RFC 9110 has it."""
    data = bytes(n % 251 for n in range(100_000))
    digest = registry.push_blob("pull/range", data)
    answer = registry.ask("GET", f"/v2/pull/range/blobs/{digest}", Range=asked)
    assert answer.status == 206
    assert answer.body == data[first:end]
    assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/100000"
    assert registry.ask("GET", f"/v2/pull/range/blobs/{digest}").headers["accept-ranges"] == "bytes"


def test_1_9_a_range_that_is_not_there_is_416(registry: RegistryServer) -> None:
    digest = registry.push_blob("pull/range", b"short")
    for asked in ("bytes=5-", "bytes=100-200", "bytes=-0"):
        answer = registry.ask("GET", f"/v2/pull/range/blobs/{digest}", Range=asked)
        assert answer.status == 416
        assert answer.headers["content-range"] == "bytes */5"


@pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "bytes=4-1", "lines=0-1", "bytes=x-y", "bytes"])
def test_1_10_a_range_that_is_not_understood_is_ignored(
    registry: RegistryServer, asked: str
) -> None:
    digest = registry.push_blob("pull/range", b"short")
    answer = registry.ask("GET", f"/v2/pull/range/blobs/{digest}", Range=asked)
    assert (answer.status, answer.body) == (200, b"short")


def test_1_11_what_a_client_has_is_not_sent_again(registry: RegistryServer) -> None:
    registry.push_image("pull/etag", "v1")
    blob = registry.push_blob("pull/etag", b"blob")
    for path in ("manifests/v1", f"blobs/{blob}"):
        etag = registry.ask("GET", f"/v2/pull/etag/{path}").headers["etag"]
        for field in (etag, f'"other", W/{etag}', "*"):
            answer = registry.ask("GET", f"/v2/pull/etag/{path}", If_None_Match=field)
            assert (answer.status, answer.body) == (304, b"")
            assert answer.headers["etag"] == etag
        assert registry.ask("GET", f"/v2/pull/etag/{path}", If_None_Match='"x"').status == 200


def test_1_12_a_range_of_something_else_by_now_is_the_whole(registry: RegistryServer) -> None:
    digest = registry.push_blob("pull/range", b"0123456789")
    path = f"/v2/pull/range/blobs/{digest}"
    assert registry.ask("GET", path, Range="bytes=1-2", If_Range=f'"{digest}"').status == 206
    assert registry.ask("GET", path, Range="bytes=1-2", If_Range='"other"').status == 200


@pytest.mark.parametrize("accept", ["", "*/*", "application/vnd.oci.image.index.v1+json", "a/b"])
def test_1_13_a_manifest_is_never_converted(registry: RegistryServer, accept: str) -> None:
    """Whatever a client accepts: the bytes and the digest are those that were pushed."""
    data = (
        b'{ "schemaVersion":2,\n "mediaType":"%b",\t"config":%b,"layers":[], "x":{"z":1,"a":2} }'
        % (DOCKER_MANIFEST.encode(), _descriptor(b"{}", DOCKER_CONFIG))
    )
    registry.push_blob("pull/bytes", b"{}")
    digest = registry.push_manifest("pull/bytes", data, "v1")
    answer = registry.ask("GET", "/v2/pull/bytes/manifests/v1", Accept=accept)
    assert answer.body == data
    assert answer.headers["content-type"] == DOCKER_MANIFEST
    assert answer.headers["docker-content-digest"] == digest


def test_1_14_dockers_and_ocis_documents_stand_beside_each_other(registry: RegistryServer) -> None:
    config, layer = b'{"docker":1}', b"docker layer"
    registry.push_blob("pull/both", config)
    registry.push_blob("pull/both", layer)
    docker = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": descriptor(config, DOCKER_CONFIG),
        "layers": [descriptor(layer, DOCKER_LAYER_GZIP)],
    }
    oci = manifest(config, layer)
    children = []
    for document in (docker, oci):
        digest = registry.push_manifest("pull/both", document)
        children.append({"mediaType": document["mediaType"], "digest": digest, "size": 1})
    for kind, tag in ((DOCKER_INDEX, "docker"), (OCI_INDEX, "oci")):
        registry.push_manifest("pull/both", index(*children, mediaType=kind), tag)
        answer = registry.ask("GET", f"/v2/pull/both/manifests/{tag}")
        assert answer.headers["content-type"] == kind


def test_1_15_a_manifest_may_be_named_by_sha512(registry: RegistryServer) -> None:
    registry.push_blob("pull/sha512", b"{}")
    data = json.dumps(manifest(b"{}")).encode()
    digest = f"sha512:{hashlib.sha512(data).hexdigest()}"
    path = f"/v2/pull/sha512/manifests/{digest}"
    done = registry.ask("PUT", path, data, Content_Type=OCI_MANIFEST)
    assert done.status == 201
    assert done.headers["docker-content-digest"] == digest
    assert registry.ask("GET", path).body == data


def test_1_16_a_blob_belongs_to_the_repository_it_was_pushed_to(registry: RegistryServer) -> None:
    digest = registry.push_blob("pull/mine", b"mine alone")
    registry.push_image("pull/yours", "v1")
    for method in ("GET", "HEAD"):
        assert registry.ask(method, f"/v2/pull/yours/blobs/{digest}").status == 404


def _descriptor(data: bytes, media_type: str) -> bytes:
    return json.dumps(descriptor(data, media_type)).encode()
